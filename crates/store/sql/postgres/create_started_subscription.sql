-- The job is there as soon as the subscription is: nobody can forget what it is owed from before.
WITH moved AS (UPDATE log SET routes_version = routes_version + 1),
job AS ({insert_job})
{insert}
