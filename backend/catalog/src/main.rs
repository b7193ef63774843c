//! The catalog: films, theaters, shows, the popular list and the web pages.

use std::process::ExitCode;

use catalog::Config;
use service::drain::Drain;
use service::session::SessionKeys;

fn main() -> ExitCode {
    service::cli::main("catalog", |config: Config, command| async move {
        match command.verb.as_str() {
            "serve" => {
                let keys = SessionKeys::from_environment()?;
                let listener = service::http::bind(config.listen).await?;
                catalog::serve(config, keys, listener, Drain::default()).await
            }
            "migrate" => catalog::migrate(&config).await,
            "demo" => catalog::demo::load(&config).await,
            "import" => catalog::import::run(&config, &command.args).await,
            other => {
                anyhow::bail!(
                    "unknown command `{other}`; there are `serve`, `migrate`, `demo` and `import FILE…`"
                )
            }
        }
    })
}
