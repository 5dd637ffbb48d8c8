//! `asof serve`: answers until it is told to stop.

use asof_model::Error;
use asof_server::Server;

use crate::args::Global;
use crate::connection::{self, PATIENCE};
use crate::failure::{Failure, Result};
use crate::out::Out;
use crate::verb::{Answer, TELLING};

/// Serve the store to others; holds it alone until it ends.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen, as HOST:PORT; by default as configured.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

impl Args {
    /// Takes the store, listens and answers until `stop`; requests in flight are finished then.
    ///
    /// # Errors
    /// `store_held`; `cannot_listen`; those of the configuration.
    pub(crate) async fn run(
        self,
        global: &Global,
        out: &mut Out,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Answer> {
        if global.server().is_some() {
            let message = "serve opens the store here and takes no --server";
            return Err(Failure::usage(message, "leave --server (and ASOF_SERVER) out"));
        }
        let config = connection::project(global, self.listen)?;
        let mut opened = asof_server::open(&config, "serve", PATIENCE).await?;
        let work = opened.ending();
        let listener = Server::bind(&config).await?;
        let address = listener.local_addr().map_err(Error::internal)?;
        // Whoever finds the store held is told the way here, also where any free port was asked for.
        opened.lock.announce(address.to_string())?;
        connection::hold(opened.lock);
        out.line(format!("serving {} on http://{address}", config.project.name))?;
        out.flush()?;
        let landing = opened.engine.land_in_the_background();
        let every = config.serving_log.every;
        let logging = (every > 0).then(|| opened.engine.log_served(every));
        let served = Server::new(opened.engine, &config)?.serve(listener, stop).await;
        if let Some(logging) = logging {
            logging.end().await;
        }
        landing.end().await;
        work.told(TELLING).await;
        served?;
        Ok(Answer::Done)
    }
}
