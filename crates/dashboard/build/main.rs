//! Builds the web app in `web/` and writes a table of its files for `src/lib.rs` to embed.
//!
//! Without Node, or with `WAYSTATION_SKIP_DASHBOARD=1`, one page that says so is embedded instead: the program does all
//! its other work without the dashboard, and nobody who only wants that should need Node.
//!
//! Nothing is written into the source tree. The sources are copied to `dashboard/` in the target directory, in the same
//! places relative to each other, so that npm's packages can lie beside them; debug and release builds share these.
#![expect(clippy::disallowed_methods, reason = "a build script is configured by the environment")]

mod npm;
mod table;

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What the web app is made from, relative to the workspace.
const SOURCES: [&str; 8] = [
    "crates/dashboard/web/package.json",
    "crates/dashboard/web/package-lock.json",
    "crates/dashboard/web/tsconfig.json",
    "crates/dashboard/web/vite.config.ts",
    "crates/dashboard/web/index.html",
    "crates/dashboard/web/public",
    "crates/dashboard/web/src",
    "clients/typescript/src",
];

const SKIP: &str = "WAYSTATION_SKIP_DASHBOARD";

fn main() {
    let workspace = workspace();
    println!("cargo::rerun-if-env-changed={SKIP}");
    println!("cargo::rerun-if-changed=build");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let dist = out.join("dist");
    match built(&workspace, &out, &dist) {
        Ok(()) => {}
        Err(reason) => without(&dist, &reason),
    }
    table::write(&dist, &out.join("assets.rs")).expect("the table of assets can be written");
}

fn workspace() -> PathBuf {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    manifest.ancestors().nth(2).expect("it lies in crates/").to_owned()
}

/// Builds into `dist`, or says in a sentence why that cannot be. A mistake in the app's own sources is a panic.
fn built(workspace: &Path, out: &Path, dist: &Path) -> Result<(), String> {
    if env::var_os(SKIP).is_some_and(|value| !value.is_empty() && value != "0") {
        return Err(format!("{SKIP} was set"));
    }
    npm::check_node()?;
    let mirror = shared(out).join("dashboard");
    let failed = |error: io::Error| format!("its sources could not be copied: {error}");
    fs::create_dir_all(&mirror).map_err(failed)?;
    // Builds of two profiles may come here at once.
    let turn = fs::File::create(mirror.join("turn")).map_err(failed)?;
    turn.lock().map_err(failed)?;
    for source in SOURCES {
        copy(&workspace.join(source), &mirror.join(source)).map_err(failed)?;
    }
    let web = mirror.join("crates/dashboard/web");
    npm::install(&web)?;
    npm::build(&web, dist);
    Ok(())
}

/// The target directory, which is above OUT_DIR by as much as the profile and the platform make it.
fn shared(out: &Path) -> &Path {
    out.ancestors().find(|above| above.join("CACHEDIR.TAG").exists()).unwrap_or(out)
}

/// Copies a file or a directory, and removes what is no longer in it. What is missing is left out.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        let _absent = fs::remove_dir_all(to);
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if from.exists() {
        fs::create_dir_all(to.parent().unwrap_or(to))?;
        fs::copy(from, to)?;
    }
    Ok(())
}

/// Puts one page in place of the app. Unless that was wanted, it is tried again with the next build.
fn without(dist: &Path, reason: &str) {
    if env::var_os(SKIP).is_none() {
        println!("cargo::warning=the dashboard is left out: {reason}");
        println!("cargo::rerun-if-changed=there-is-no-such-file");
    }
    let _absent = fs::remove_dir_all(dist);
    let page = include_str!("without.html").replace("{reason}", &escaped(reason));
    let written = fs::create_dir_all(dist).and_then(|()| fs::write(dist.join("index.html"), page));
    written.expect("OUT_DIR can be written to");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
