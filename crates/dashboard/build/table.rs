//! The table of files, as Rust.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Writes `FILES`, an array of `Asset`: each file in `dist` with its compressed forms, which lie beside it.
pub(crate) fn write(dist: &Path, table: &Path) -> io::Result<()> {
    let mut files = BTreeSet::new();
    gather(dist, &mut files)?;
    let mut rust = String::from("static FILES: &[Asset] = &[\n");
    for file in files.iter().filter(|file| !is_compressed(file)) {
        let path = file.strip_prefix(dist).map_err(io::Error::other)?.to_string_lossy().replace('\\', "/");
        let mut hasher = DefaultHasher::new();
        fs::read(file)?.hash(&mut hasher);
        let compressed = |extension: &str| {
            let beside = PathBuf::from(format!("{}.{extension}", file.display()));
            if files.contains(&beside) {
                format!("Some(include_bytes!({beside:?}))")
            } else {
                "None".to_owned()
            }
        };
        let _infallible = writeln!(
            rust,
            "    Asset {{ path: {path:?}, media_type: {:?}, etag: \"\\\"{:016x}\\\"\", is_immutable: {}, \
             identity: include_bytes!({file:?}), gzip: {}, brotli: {} }},",
            media_type(&path),
            hasher.finish(),
            path.starts_with("assets/"),
            compressed("gz"),
            compressed("br"),
        );
    }
    fs::write(table, rust + "];\n")
}

fn gather(directory: &Path, files: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, files)?;
        } else {
            files.insert(path);
        }
    }
    Ok(())
}

fn is_compressed(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "gz" || extension == "br")
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
