//! The files of the status page. They say nothing about the balancer, so whoever reaches the listener may have them;
//! what the page shows it asks for itself.

/// What the page may load and do: its own files, and nothing else.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One file of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// Its media type.
    pub content_type: &'static str,
    /// What is in it.
    pub text: &'static str,
}

/// The page itself.
pub const PAGE: File = File { content_type: "text/html; charset=utf-8", text: include_str!("page.html") };

const SCRIPT: &str = "text/javascript; charset=utf-8";
const PARTS: &[(&str, File)] = &[
    ("page.js", File { content_type: SCRIPT, text: include_str!("page.js") }),
    ("drawing.js", File { content_type: SCRIPT, text: include_str!("drawing.js") }),
    ("picture.js", File { content_type: SCRIPT, text: include_str!("picture.js") }),
    ("figures.js", File { content_type: SCRIPT, text: include_str!("figures.js") }),
    ("page.css", File { content_type: "text/css; charset=utf-8", text: include_str!("page.css") }),
];

/// A file that the page asks for, by its path.
pub fn part(path: &str) -> Option<File> {
    let name = path.strip_prefix("/status/")?;
    PARTS.iter().find(|(known, _)| *known == name).map(|(_, file)| *file)
}

/// Whether this `Accept` is a browser's that wants a page to show; programs that say nothing get JSON.
pub fn wanted(accept: Option<&str>) -> bool {
    accept.is_some_and(|accept| accept.split(',').any(|one| one.trim().starts_with("text/html")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing outside could be loaded under the policy, and a part that is not there leaves a blank page.
    #[test]
    fn what_the_page_asks_for_is_there() {
        let files = PARTS.iter().map(|(_, file)| file).chain([&PAGE]);
        for File { text, .. } in files {
            for quoted in text.split('"').skip(1).step_by(2) {
                let path = quoted.strip_prefix("./").map(|name| format!("/status/{name}"));
                let path = path.unwrap_or_else(|| quoted.to_owned());
                if path.starts_with("/status/") {
                    assert!(part(&path).is_some(), "{path}");
                }
                assert!(!path.starts_with("//") && !path.starts_with("https:"), "{path}");
            }
        }
    }

    #[test]
    fn a_browser_gets_the_page_and_a_program_the_figures() {
        assert!(wanted(Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")));
        for program in [None, Some("*/*"), Some("application/json")] {
            assert!(!wanted(program), "{program:?}");
        }
    }
}
