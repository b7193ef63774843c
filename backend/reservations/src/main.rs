//! The reservations service: `reservations [--config PATH] [--check] [serve | migrate | demo]`.

use std::process::ExitCode;

use reservations::config::Config;
use service::cli::Command;
use service::drain::Drain;
use service::session::SessionKeys;

fn main() -> ExitCode {
    service::cli::main(reservations::PROGRAM, act)
}

async fn act(config: Config, command: Command) -> anyhow::Result<()> {
    match command.verb.as_str() {
        "serve" => {
            let keys = SessionKeys::from_environment()?;
            let listener = service::http::bind(config.listen).await?;
            reservations::serve(config, keys, listener, Drain::default()).await
        }
        "migrate" => reservations::migrate(&config).await,
        "demo" => reservations::demo::load(&config).await,
        other => anyhow::bail!("unknown command `{other}`; there are serve, migrate and demo"),
    }
}
