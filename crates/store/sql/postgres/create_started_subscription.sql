-- The job is there as soon as the subscription is: nobody can forget what it is owed from before.
WITH {move_routes},
job AS ({insert_job})
{insert}
