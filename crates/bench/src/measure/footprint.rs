//! What the program costs while it does nothing: memory, time to start, size on disk.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::report::{Row, Target};
use super::{Site, median, progress};
use crate::machine::resident_mib;
use crate::program::Launch;
use crate::scratch::{Engine, Home};

const REST_AFTER_START: Duration = Duration::from_secs(2);
const REST_AFTER_LOAD: Duration = Duration::from_secs(5);
const COLD_STARTS: usize = 5;

/// To be called right after the first start.
pub(super) async fn memory_at_rest(site: &Site<'_>) -> Result<Row> {
    sleep(REST_AFTER_START).await;
    let resident = resident_mib(site.program.process_id()?)?;
    Ok(memory_row(site.engine, "idle", "idle memory, 2 s after start", resident).target(Target::AtMost(30.0)))
}

/// To be called when all that the load brought has been delivered.
pub(super) async fn memory_after_load(site: &Site<'_>) -> Result<Row> {
    sleep(REST_AFTER_LOAD).await;
    let resident = resident_mib(site.program.process_id()?)?;
    Ok(memory_row(site.engine, "after_load", "idle memory, 5 s after load", resident))
}

fn memory_row(engine: Engine, key: &str, name: &str, resident_mib: f64) -> Row {
    let key = format!("memory_{key}_mib_{}", engine.key());
    Row::new(key, format!("{name}, {}", engine.name()), resident_mib, "MiB")
}

/// Starts on new databases, and on the one that has been used; nothing else of the site may run meanwhile.
pub(super) async fn cold_starts(site: &Site<'_>) -> Result<Vec<Row>> {
    let mut fresh = Vec::new();
    let mut existing = Vec::new();
    for _ in 0..COLD_STARTS {
        fresh.push(cold_start(site, &site.scratch.home(site.engine).await?).await?);
        existing.push(cold_start(site, &site.home).await?);
    }
    progress(site.engine, "cold starts measured");
    let row = |which: &str, starts: Vec<Duration>| {
        let key = format!("cold_start_{which}_ms_{}", site.engine.key());
        let name = format!("cold start to healthy, {which} data, {}", site.engine.name());
        let milliseconds = median(starts.iter().map(|start| start.as_secs_f64() * 1000.0));
        Row::new(key, name, milliseconds, "ms").target(Target::AtMost(100.0))
    };
    Ok(vec![row("fresh", fresh), row("existing", existing)])
}

async fn cold_start(site: &Site<'_>, home: &Home) -> Result<Duration> {
    let mut program = Launch::waystation(&site.options.binary, home)?.spawn()?;
    let ready_after = program.ready().await?;
    program.stop().await?;
    Ok(ready_after)
}

pub(super) fn binary_size(binary: &std::path::Path) -> Result<Row> {
    let size_mib = std::fs::metadata(binary)?.len() as f64 / 1024.0 / 1024.0;
    Ok(Row::new("binary_mib", "binary", size_mib, "MiB").target(Target::AtMost(40.0)))
}
