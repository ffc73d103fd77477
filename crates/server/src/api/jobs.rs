//! Jobs: work that goes on for a while, to be watched and called off.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::job::{self, Job};
use domain::{JobId, Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::list::{Listed, OfUser, Params, page};
use super::owned::OwnedJob;
use crate::access::Bearer;
use crate::app::App;
use crate::problem::{Problem, Result};

/// Work that goes on for a while.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownJob {
    #[schema(value_type = String, example = "job_019aa6b0c7d07b3e8f3c5a1d2e4f6071")]
    id: JobId,
    /// `replay`, `bulk_retry` or `bulk_cancel`; `start` owes a new subscription what came in before it; `sync` asks a
    /// connection's provider for what is new.
    #[schema(example = "replay")]
    kind: &'static str,
    /// Whose it is; `null`: the operator's.
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// `running`, `completed`, `failed` or `cancelled`.
    #[schema(value_type = String, example = "running")]
    state: job::State,
    /// How many events or deliveries it is about; `null` while nobody has counted them.
    total: Option<u64>,
    /// How many have been dealt with.
    done: u64,
    /// How many could not be.
    failed: u64,
    /// Why it failed.
    error: Option<String>,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>)]
    finished_at: Option<Timestamp>,
}

impl From<Job> for ShownJob {
    fn from(job: Job) -> Self {
        Self {
            id: job.id,
            kind: job.work.kind(),
            user_id: job.owner_id,
            state: job.state,
            total: job.total,
            done: job.done,
            failed: job.failed,
            error: job.error,
            created_at: job.created_at,
            finished_at: job.finished_at,
        }
    }
}

/// List jobs, the newest first
#[utoipa::path(get, path = "/api/jobs", tag = "Jobs", params(OfUser),
    responses((status = 200, body = Listed<ShownJob>), (status = 403, body = Problem)))]
pub(crate) async fn list_jobs(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<OfUser>,
) -> Result<Json<Listed<ShownJob>>> {
    let page = page(query.limit, query.cursor.as_deref())?;
    let owner = access.narrow(query.user_id)?;
    let jobs = app.engine.store.jobs(owner.as_ref(), &page).await?;
    let id = |stored: &store::StoredJob| stored.job.id.to_string();
    Ok(Json(Listed::new(jobs, page.limit, id, |stored| stored.job.into())))
}

/// Read one job
#[utoipa::path(get, path = "/api/jobs/{id}", tag = "Jobs", params(("id" = String, Path)),
    responses((status = 200, body = ShownJob), (status = 404, body = Problem)))]
pub(crate) async fn read_job(OwnedJob(stored): OwnedJob) -> Json<ShownJob> {
    Json(stored.job.into())
}

/// Call a job off
///
/// What it has done stays done.
#[utoipa::path(post, path = "/api/jobs/{id}/cancel", tag = "Jobs", params(("id" = String, Path)),
    responses((status = 200, body = ShownJob), (status = 409, body = Problem)))]
pub(crate) async fn cancel_job(
    State(app): State<Arc<App>>,
    OwnedJob(stored): OwnedJob,
) -> Result<Json<ShownJob>> {
    Ok(Json(app.engine.recovery.cancel(stored).await?.into()))
}
