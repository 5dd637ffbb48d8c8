//! The committed code is what `proto/` says today. `ASOF_REGENERATE=1 cargo t asof-proto` makes it so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;

/// The `.proto` files, relative to their root.
fn sources(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "proto") {
                found.push(path.strip_prefix(root).unwrap().to_path_buf());
            }
        }
    }
    found.sort();
    found
}

/// Everything under `src/generated`, made anew: file name and content.
fn generate() -> BTreeMap<String, Vec<u8>> {
    let root = Path::new("../../proto");
    let mut descriptors = protox::compile(sources(root), [root]).unwrap_or_else(|e| panic!("{e:?}"));
    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .emit_rerun_if_changed(false)
        // Clients bring their own channel: how to connect is not part of the contract.
        .build_transport(false)
        .btree_map(".")
        .out_dir(out.path())
        .compile_fds(descriptors.clone())
        .unwrap();
    // Comments and positions went into the code as docs; reflection does not need them.
    descriptors.file.iter_mut().for_each(|f| f.source_code_info = None);
    fs::write(out.path().join("descriptor.bin"), descriptors.encode_to_vec()).unwrap();
    read(out.path())
}

fn read(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.map(|p| (p.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&p).unwrap())).collect()
}

#[test]
fn the_committed_code_is_what_proto_says() {
    let committed = Path::new("src/generated");
    let fresh = generate();
    if std::env::var_os("ASOF_REGENERATE").is_some() {
        fs::remove_dir_all(committed).unwrap();
        fs::create_dir(committed).unwrap();
        for (name, content) in &fresh {
            fs::write(committed.join(name), content).unwrap();
        }
    }
    let (fresh, committed) = (fresh, read(committed));
    assert!(fresh.keys().eq(committed.keys()), "proto/ gives {:?}, committed are {:?}", fresh.keys(), committed.keys());
    for (name, content) in &fresh {
        assert!(committed[name] == *content, "{name} is stale: ASOF_REGENERATE=1 cargo t asof-proto");
    }
}

/// A message that grew a field is still read by those who do not know it: the contract's promise.
#[test]
fn unknown_fields_are_ignored() {
    use asof_proto::object::v1::{Pinned, Scope};
    let pinned = Pinned { kind: 1, project: "p".into(), name: "n".into(), version: 3, digest: "d".into() };
    // A Scope knows fields 1 and 2 as text; the other fields are unknown to it, field 1 is of another type.
    let newer = Pinned { kind: 0, ..pinned };
    assert_eq!(
        Scope::decode(newer.encode_to_vec().as_slice()).unwrap(),
        Scope { project: String::new(), environment: "p".into() }
    );
}
