//! What a mail says.

use anyhow::Context as _;
use lettre::Message;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};

use super::config::MailConfig;
use crate::store::mails::{Due, Kind};

/// Whom letters are from, and where the pages are.
#[derive(Debug)]
pub(crate) struct Letter {
    from: Mailbox,
    page_url: String,
}

/// RFC 3834: no machine shall answer it.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Letter {
    /// From a valid configuration.
    pub(crate) fn new(config: &MailConfig) -> anyhow::Result<Self> {
        let page_url = config.page_url.trim_end_matches('/').to_owned();
        Ok(Self { from: config.from.parse().context("`mail.from`")?, page_url })
    }

    /// A letter as it is sent. Repeated, it has the same name.
    pub(crate) fn about(&self, mail: &Due) -> anyhow::Result<Message> {
        let name = format!("<{}.{}@{}>", mail.entry_id, mail.kind.as_str(), self.from.email.domain());
        let letter: MessageBuilder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, mail.email.parse().context("the address")?))
            .message_id(Some(name))
            .header(AutoSubmitted)
            .header(ContentType::TEXT_PLAIN)
            .subject(subject(mail));
        Ok(letter.body(self.text(mail))?)
    }

    fn text(&self, mail: &Due) -> String {
        let show = mail.about.as_deref().unwrap_or("A show you waited for");
        let page = format!("{}/shows/{}", self.page_url, mail.show_id);
        let seats = mail.seats.join(", ");
        match mail.kind {
            Kind::Offered => {
                let until = mail.until.as_deref().unwrap_or_default();
                let many = if mail.seats.len() == 1 { "it" } else { "them" };
                format!(
                    "{show}\n\nIt is your turn: {seats}, held for you until {until}, the theater's time.\n\n\
                     Buy {many} here, in the browser in which you joined the line:\n{page}\n\n\
                     Whoever is next in line is offered what you do not take.\n"
                )
            }
            Kind::Lapsed => format!(
                "{show}\n\nThe time to take {seats} is over. Your place in line ended with it, and the next in line was asked.\n\n\
                 To wait again, join the line anew:\n{page}\n"
            ),
            Kind::Started => {
                format!("{show}\n\nThe show begins, and the line is closed. No seats came free for you.\n")
            }
            Kind::Cancelled => {
                format!(
                    "{show}\n\nThis show is off the program, and its line is closed. You are not charged anything.\n"
                )
            }
        }
    }
}

fn subject(mail: &Due) -> String {
    match mail.kind {
        Kind::Offered => match mail.until.as_deref() {
            Some(until) => format!("Your seats are held until {until}: {}", mail.seats.join(", ")),
            None => format!("Your seats: {}", mail.seats.join(", ")),
        },
        Kind::Lapsed => "Your offer is over".to_owned(),
        Kind::Started => "The line is closed: the show begins".to_owned(),
        Kind::Cancelled => "A show you waited for is off the program".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use domain::id::EntryId;

    use super::*;

    fn due(kind: Kind) -> Due {
        Due {
            id: 1,
            entry_id: EntryId::parse("e1").unwrap(),
            email: "ann@theater.example".to_owned(),
            kind,
            show_id: "s1".to_owned(),
            about: Some("Amélie at Grand in Paris, Friday, 27 November, 20:15".to_owned()),
            seats: vec!["F7".to_owned(), "F8".to_owned()],
            until: Some("18:02:10".to_owned()),
            attempts: 1,
        }
    }

    fn written(mail: &Due) -> String {
        let config = MailConfig { page_url: "https://tickets.example/".to_owned(), ..MailConfig::default() };
        let letter = Letter::new(&config).unwrap().about(mail).unwrap();
        String::from_utf8(letter.formatted()).unwrap()
    }

    #[test]
    fn an_offer_says_which_seats_until_when_and_where() {
        let mail = written(&due(Kind::Offered));
        for part in [
            "To: ann@theater.example\r\n",
            "Message-ID: <e1.offered@marquee.example>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Subject: Your seats are held until 18:02:10: F7, F8\r\n",
            "https://tickets.example/shows/s1",
            "Am=C3=A9lie",
        ] {
            assert!(mail.contains(part), "{part:?} in {mail}");
        }
    }

    #[test]
    fn every_kind_can_be_written_without_knowing_the_show() {
        for kind in Kind::ALL {
            let mail = written(&Due { about: None, until: None, ..due(kind) });
            assert!(mail.contains("A show you waited for"), "{mail}");
        }
    }

    #[test]
    fn no_header_can_be_smuggled_in() {
        let letter = Letter::new(&MailConfig::default()).unwrap();
        let bad = Due { email: "ann@x.example\r\nBcc: all@x.example".to_owned(), ..due(Kind::Offered) };
        assert!(letter.about(&bad).is_err());
        let about = Due { seats: vec!["F7\r\nBcc: all@x.example".to_owned()], ..due(Kind::Offered) };
        let mail = written(&about);
        let (head, _) = mail.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("\nBcc:"), "{head}");
    }
}
