//! The reservations service: `reservations [--config PATH] [--check] [serve | migrate | demo]`, and `reservations verify-ticket`.

use std::process::ExitCode;

use reservations::config::Config;
use reservations::secrets::Secrets;
use reservations::ticket::scanner;
use service::cli::Command;
use service::drain::Drain;

fn main() -> ExitCode {
    // A scanner has neither configuration nor stores.
    if std::env::args_os().nth(1).is_some_and(|verb| verb == scanner::VERB) {
        return scanner::main();
    }
    service::cli::main(reservations::PROGRAM, act)
}

async fn act(config: Config, command: Command) -> anyhow::Result<()> {
    match command.verb.as_str() {
        "serve" => {
            let secrets = Secrets::from_environment()?;
            let listener = service::http::bind(config.listen).await?;
            reservations::serve(config, secrets, listener, Drain::default()).await
        }
        "migrate" => reservations::migrate(&config).await,
        "demo" => reservations::demo::load(&config).await,
        other => anyhow::bail!(
            "unknown command `{other}`; there are serve, migrate, demo and, as the first word, verify-ticket"
        ),
    }
}
