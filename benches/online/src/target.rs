//! Whom a request goes to, and the requests themselves, encoded before the clock starts.

use asof_proto::column::v1::column::Values;
use asof_proto::column::v1::{Column, Doubles, Int64s};
use asof_proto::serving::v1::GetFeaturesRequest;
use bytes::Bytes;
use prost::Message;
use serde_json::json;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};

use crate::Result;
use crate::bytes_codec::BytesCodec;
use crate::http::Http;
use crate::keys::Shape;

/// The call whose replies are measured; the bare service answers under any name.
const METHOD: &str = "/asof.serving.v1.ServingService/GetFeatures";
/// The largest reply that is taken.
const LARGEST: usize = 256 << 20;

/// What is asked of whom.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Target {
    /// Where the server listens, as HOST:PORT.
    #[arg(long)]
    server: String,
    /// How it is spoken to.
    #[arg(long, value_enum, default_value_t)]
    protocol: Protocol,
    /// The service, or Feast's feature service.
    #[arg(long, default_value = "plain")]
    service: String,
    /// Request parameters, all of them DOUBLE.
    #[arg(long)]
    parameter: Vec<String>,
    /// The moment asked about, in microseconds since 1970; without it, now.
    #[arg(long)]
    at: Option<i64>,
    #[command(flatten)]
    pub(crate) shape: Shape,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(crate) enum Protocol {
    /// `asof.serving.v1`.
    #[default]
    Grpc,
    /// `POST /get-online-features` of Feast's Python server.
    Feast,
    /// `POST /v1/features`.
    Json,
}

/// A connection.
pub(crate) enum Caller {
    Grpc(Grpc<Channel>),
    Http(Box<Http>),
}

impl Target {
    /// How many calls one connection can have in flight: HTTP/1.1 has one.
    pub(crate) fn multiplexes(&self) -> bool {
        matches!(self.protocol, Protocol::Grpc)
    }

    pub(crate) async fn connect(&self) -> Result<Caller> {
        let path = match self.protocol {
            Protocol::Grpc => {
                let endpoint = Endpoint::from_shared(format!("http://{}", self.server))?.tcp_nodelay(true);
                let grpc = Grpc::new(endpoint.connect().await?).max_decoding_message_size(LARGEST);
                return Ok(Caller::Grpc(grpc));
            }
            Protocol::Feast => "/get-online-features",
            Protocol::Json => "/v1/features",
        };
        Ok(Caller::Http(Box::new(Http::connect(&self.server, path).await?)))
    }

    /// All requests, ready to be sent.
    pub(crate) fn requests(&self) -> Vec<Bytes> {
        let keys = self.shape.requests().into_iter();
        match self.protocol {
            Protocol::Grpc => keys.map(|keys| self.message(keys).encode_to_vec().into()).collect(),
            Protocol::Feast => {
                let body = |keys| json!({ "feature_service": self.service, "entities": { "id": keys } });
                keys.map(|keys| body(keys).to_string().into()).collect()
            }
            Protocol::Json => {
                let body = |keys: Vec<i64>| {
                    let mut columns = serde_json::Map::new();
                    let rows = keys.len();
                    columns.insert("id".to_owned(), json!(keys));
                    for name in &self.parameter {
                        columns.insert(name.clone(), json!(vec![0.5; rows]));
                    }
                    json!({ "service": self.service, "columns": columns })
                };
                keys.map(|keys| body(keys).to_string().into()).collect()
            }
        }
    }

    fn message(&self, keys: Vec<i64>) -> GetFeaturesRequest {
        let rows = keys.len();
        let column = |name: &str, values| Column { name: name.to_owned(), values: Some(values), ..Column::default() };
        let mut columns = vec![column("id", Values::Int64s(Int64s { values: keys }))];
        let half = || Values::Doubles(Doubles { values: vec![0.5; rows] });
        columns.extend(self.parameter.iter().map(|name| column(name, half())));
        GetFeaturesRequest { service: self.service.clone(), columns, at: self.at, ..GetFeaturesRequest::default() }
    }
}

impl Caller {
    /// Another user of the same connection, where it can have several.
    pub(crate) fn share(&self) -> Option<Caller> {
        match self {
            Caller::Grpc(grpc) => Some(Caller::Grpc(grpc.clone())),
            Caller::Http(_) => None,
        }
    }

    /// Sends a request; its reply.
    pub(crate) async fn call(&mut self, request: Bytes) -> Result<Bytes> {
        match self {
            Caller::Grpc(grpc) => {
                grpc.ready().await?;
                let path = PathAndQuery::from_static(METHOD);
                Ok(grpc.unary(tonic::Request::new(request), path, BytesCodec).await?.into_inner())
            }
            Caller::Http(http) => http.post(&request).await,
        }
    }
}
