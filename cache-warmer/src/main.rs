//! The cache-warmer: keeps the popular list warm.

use std::process::ExitCode;

use cache_warmer::Config;
use service::drain::Drain;

fn main() -> ExitCode {
    service::cli::main("cache-warmer", |config: Config, command| async move {
        match command.verb.as_str() {
            "serve" => {
                let listener = service::http::bind(config.listen).await?;
                cache_warmer::serve(config, listener, Drain::default()).await
            }
            other => anyhow::bail!("unknown command `{other}`; there is `serve`"),
        }
    })
}
