//! No code. Cargo unifies the features of third-party crates over the packages it is asked for, so
//! `cargo test -p one-crate` would compile DataFusion again with other features. Asked for together with
//! this package, which depends on every third-party crate the workspace uses, it does not.
