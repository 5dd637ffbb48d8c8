//! The wire contract as Rust: what `proto/` says, generated and committed, and nothing else.
//!
//! Promises: messages are for the wire only and have no behaviour; they are converted to the words of
//! `model` at the edge, by whoever speaks the protocol. Nobody needs `protoc`: `tests/it` generates the
//! code again from `proto/` and fails when it is not what is committed here (`ASOF_REGENERATE=1` rewrites
//! it). Clients and services of a package are in its modules, for example
//! [`serving::v1::serving_service_client`].

/// Declares one package: the module path is the package's name without `asof`.
macro_rules! package {
    ($(#[$doc:meta])* $area:ident, $file:literal) => {
        $(#[$doc])*
        pub mod $area {
            /// Version 1: fields are added, never renumbered.
            #[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, rustdoc::all)]
            #[rustfmt::skip]
            pub mod v1 {
                include!(concat!("generated/", $file));
            }
        }
    };
}

package!(
    /// Definitions from one deployment to another.
    bundle, "asof.bundle.v1.rs"
);
package!(
    /// Values, a column at a time.
    column, "asof.column.v1.rs"
);
package!(
    /// Whether what is served is what training gives.
    comparison, "asof.comparison.v1.rs"
);
package!(
    /// What went wrong, as carried in the details of a failed call.
    error, "asof.error.v1.rs"
);
package!(
    /// Offline work: ingest, train, export, rebuild, materialize, verify.
    jobs, "asof.jobs.v1.rs"
);
package!(
    /// Whether views tell the future.
    leakage, "asof.leakage.v1.rs"
);
package!(
    /// Where things come from and who uses them.
    lineage, "asof.lineage.v1.rs"
);
package!(
    /// Models, and what they were trained on.
    model, "asof.model.v1.rs"
);
package!(
    /// Names of things and their columns.
    object, "asof.object.v1.rs"
);
package!(
    /// Rows for datasets, as they happen.
    push, "asof.push.v1.rs"
);
package!(
    /// Definitions: plan, apply, list, show.
    registry, "asof.registry.v1.rs"
);
package!(
    /// Recorded executions.
    run, "asof.run.v1.rs"
);
package!(
    /// Features at inference.
    serving, "asof.serving.v1.rs"
);

package!(
    /// What is stored and needed by nothing any more.
    storage, "asof.storage.v1.rs"
);

/// All packages as an encoded `google.protobuf.FileDescriptorSet`, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/descriptor.bin");
