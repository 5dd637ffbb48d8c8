//! `asof.jobs.v1`: offline work. Each call is answered at once with a stream, so that no time limit of a
//! request applies to work that takes long.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::sync::Arc;

use asof_engine::{IngestRequest as Ingest, VerifyRequest};
use asof_model::Error;
use asof_proto::jobs::v1::job_service_server::JobService;
use asof_proto::jobs::v1::{
    ApplyCheckedEvent, ApplyCheckedRequest, ExportChunk, ExportRequest, IngestEvent, IngestRequest, MaterializeEvent,
    MaterializeRequest, Progress, PromoteEvent, RebuildEvent, RebuildRequest, TrainEvent, TrainRequest,
    VerifyLeakageEvent, VerifyLeakageRequest, VerifyServiceEvent, VerifyServiceRequest, apply_checked_event,
    ingest_event, materialize_event, promote_event, rebuild_event, train_event, verify_leakage_event,
    verify_service_event,
};
use asof_proto::registry::v1::{PromoteRequest, PromoteResponse};
use futures::stream::{self, TryStreamExt};
use tokio::io::AsyncReadExt;
use tonic::{Request, Response, Status, Streaming};

use super::SharedDesk;
use super::upload::Upload;
use crate::convert::comparison::{from_compared, to_compare, to_compare_log};
use crate::convert::error::status;
use crate::convert::jobs::{
    from_ingest, from_materialized, from_rebuilt, from_trained, to_export_format, to_materialize, to_read_options,
    to_train,
};
use crate::convert::leakage::{from_applied_checked, from_verified, to_checking, to_probe};
use crate::convert::object::reference;
use crate::convert::pointers::{from_moved, to_author, to_promote};
use crate::convert::registry::to_sources;
use crate::events::{Events, events};
use crate::spool::failure;

/// Bytes of an exported file in one message.
const CHUNK: usize = 256 << 10;

/// The service.
pub(crate) struct Jobs(pub(crate) SharedDesk);

#[tonic::async_trait]
impl JobService for Jobs {
    type IngestStream = Events<IngestEvent>;
    type TrainStream = Events<TrainEvent>;
    type ExportStream = Events<ExportChunk>;
    type RebuildStream = Events<RebuildEvent>;
    type MaterializeStream = Events<MaterializeEvent>;
    type VerifyLeakageStream = Events<VerifyLeakageEvent>;
    type VerifyServiceStream = Events<VerifyServiceEvent>;
    type ApplyCheckedStream = Events<ApplyCheckedEvent>;
    type PromoteStream = Events<PromoteEvent>;

    async fn ingest(&self, request: Request<Streaming<IngestRequest>>) -> Result<Response<Self::IngestStream>, Status> {
        let (desk, messages) = (self.0.clone(), request.into_inner());
        let stream = events(
            move |reporter| async move {
                let upload = Upload::receive(messages, &desk.spool, desk.silence, &reporter).await?;
                let scope = desk.scope(upload.header.scope.clone())?;
                let request = Ingest {
                    dataset: reference(&upload.header.dataset)?,
                    sources: upload.sources(),
                    called: upload.called(),
                    options: to_read_options(&upload.header)?,
                };
                let report = desk.engine.ingest(&scope, request, Arc::new(reporter)).await;
                // The files are there until here.
                drop(upload);
                report.map(from_ingest)
            },
            |progress: Progress| IngestEvent { event: Some(ingest_event::Event::Progress(progress)) },
            |result| IngestEvent { event: Some(ingest_event::Event::Result(result)) },
        );
        Ok(Response::new(stream))
    }

    async fn train(&self, request: Request<TrainRequest>) -> Result<Response<Self::TrainStream>, Status> {
        let mut request = request.into_inner();
        let desk = self.0.clone();
        let scope = desk.scope(request.scope.take()).map_err(status)?;
        let train = to_train(&request).map_err(status)?;
        let stream = events(
            move |reporter| async move { desk.engine.train(&scope, train, Arc::new(reporter)).await.map(from_trained) },
            |progress| TrainEvent { event: Some(train_event::Event::Progress(progress)) },
            |result| TrainEvent { event: Some(train_event::Event::Result(result)) },
        );
        Ok(Response::new(stream))
    }

    async fn export(&self, request: Request<ExportRequest>) -> Result<Response<Self::ExportStream>, Status> {
        let mut request = request.into_inner();
        let desk = self.0.clone();
        let scope = desk.scope(request.scope.take()).map_err(status)?;
        let set = reference(&request.reference).map_err(status)?;
        let format = to_export_format(request.format).map_err(status)?;
        let export = async move {
            let mut file = desk.spool.file().map_err(status)?;
            let out = file.try_clone().map_err(broken)?;
            desk.engine.export(&scope, &set, format, out).await.map_err(status)?;
            file.seek(SeekFrom::Start(0)).map_err(broken)?;
            Ok::<_, Status>(chunks(file))
        };
        Ok(Response::new(Box::pin(stream::once(export).try_flatten())))
    }

    async fn rebuild(&self, request: Request<RebuildRequest>) -> Result<Response<Self::RebuildStream>, Status> {
        let RebuildRequest { scope, reference: set } = request.into_inner();
        let desk = self.0.clone();
        let scope = desk.scope(scope).map_err(status)?;
        let set = reference(&set).map_err(status)?;
        let stream = events(
            move |reporter| async move { desk.engine.rebuild(&scope, &set, Arc::new(reporter)).await.map(from_rebuilt) },
            |progress| RebuildEvent { event: Some(rebuild_event::Event::Progress(progress)) },
            |result| RebuildEvent { event: Some(rebuild_event::Event::Result(result)) },
        );
        Ok(Response::new(stream))
    }

    async fn materialize(
        &self,
        request: Request<MaterializeRequest>,
    ) -> Result<Response<Self::MaterializeStream>, Status> {
        let mut request = request.into_inner();
        let desk = self.0.clone();
        let scope = desk.scope(request.scope.take()).map_err(status)?;
        let materialize = to_materialize(&request).map_err(status)?;
        let stream = events(
            move |reporter| async move {
                desk.engine.materialize(&scope, materialize, Arc::new(reporter)).await.map(from_materialized)
            },
            |progress| MaterializeEvent { event: Some(materialize_event::Event::Progress(progress)) },
            |result| MaterializeEvent { event: Some(materialize_event::Event::Result(result)) },
        );
        Ok(Response::new(stream))
    }

    async fn verify_leakage(
        &self,
        request: Request<VerifyLeakageRequest>,
    ) -> Result<Response<Self::VerifyLeakageStream>, Status> {
        let VerifyLeakageRequest { scope, reference: named, probe } = request.into_inner();
        let desk = self.0.clone();
        let scope = desk.scope(scope).map_err(status)?;
        let verify = VerifyRequest { reference: reference(&named).map_err(status)?, probe: to_probe(probe) };
        let stream = events(
            move |reporter| async move { from_verified(desk.engine.verify(&scope, verify, Arc::new(reporter)).await?) },
            |progress| VerifyLeakageEvent { event: Some(verify_leakage_event::Event::Progress(progress)) },
            |result| VerifyLeakageEvent { event: Some(verify_leakage_event::Event::Result(result)) },
        );
        Ok(Response::new(stream))
    }

    async fn verify_service(
        &self,
        request: Request<VerifyServiceRequest>,
    ) -> Result<Response<Self::VerifyServiceStream>, Status> {
        let mut request = request.into_inner();
        let desk = self.0.clone();
        let scope = desk.scope(request.scope.take()).map_err(status)?;
        let compare = to_compare(&request).map_err(status)?;
        let logged = request.log.then(|| to_compare_log(&request)).transpose().map_err(status)?;
        let stream = events(
            move |reporter| async move {
                let (engine, reporter) = (&desk.engine, Arc::new(reporter));
                let compared = match logged {
                    Some(logged) => engine.compare_log(&scope, logged, reporter).await?,
                    None => engine.compare(&scope, compare, reporter).await?,
                };
                from_compared(&compared)
            },
            |progress| VerifyServiceEvent { event: Some(verify_service_event::Event::Progress(progress)) },
            |result| VerifyServiceEvent { event: Some(verify_service_event::Event::Result(result)) },
        );
        Ok(Response::new(stream))
    }

    async fn apply_checked(
        &self,
        request: Request<ApplyCheckedRequest>,
    ) -> Result<Response<Self::ApplyCheckedStream>, Status> {
        let mut request = request.into_inner();
        let desk = self.0.clone();
        let scope = desk.scope(request.scope.take()).map_err(status)?;
        let sources = to_sources(std::mem::take(&mut request.sources));
        let author = to_author(request.author.take()).map_err(status)?;
        let checking = to_checking(request, desk.guard(false));
        let stream = events(
            move |reporter| async move {
                let (engine, reporter) = (&desk.engine, Arc::new(reporter));
                let applied = engine.apply_checked(&scope, sources, &author, &checking, reporter).await?;
                from_applied_checked(applied).map_err(|e| vec![e])
            },
            |progress| ApplyCheckedEvent { event: Some(apply_checked_event::Event::Progress(progress)) },
            |result| ApplyCheckedEvent { event: Some(apply_checked_event::Event::Result(result)) },
        );
        Ok(Response::new(stream))
    }

    async fn promote(&self, request: Request<PromoteRequest>) -> Result<Response<Self::PromoteStream>, Status> {
        let mut request = request.into_inner();
        let desk = self.0.clone();
        let scope = desk.scope(request.scope.take()).map_err(status)?;
        let promote = to_promote(&desk.project, &desk.rules, &scope, request).map_err(status)?;
        let stream = events(
            move |reporter| async move {
                let moved = desk.engine.promote(&scope, promote, Arc::new(reporter)).await?;
                Ok::<_, Error>(PromoteResponse { moved: Some(from_moved(moved)) })
            },
            |progress| PromoteEvent { event: Some(promote_event::Event::Progress(progress)) },
            |result| PromoteEvent { event: Some(promote_event::Event::Result(result)) },
        );
        Ok(Response::new(stream))
    }
}

/// A file from where it stands to its end.
fn chunks(file: File) -> impl futures::Stream<Item = Result<ExportChunk, Status>> {
    stream::try_unfold(tokio::fs::File::from_std(file), |mut file| async move {
        let mut bytes = Vec::with_capacity(CHUNK);
        (&mut file).take(CHUNK as u64).read_to_end(&mut bytes).await.map_err(broken)?;
        Ok(if bytes.is_empty() { None } else { Some((ExportChunk { bytes }, file)) })
    })
}

fn broken(error: std::io::Error) -> Status {
    status(failure("a temporary file", &error))
}
