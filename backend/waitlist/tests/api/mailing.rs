//! Mail to those who gave an address, by a server that is real as far as SMTP goes.

use std::sync::{Arc, Mutex};

use serde_json::json;
use testkit::wait;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{SHOW, Visitor, World};

const ADDRESS: &str = "ann@theater.example";

/// What a server does with mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Takes,
    /// RFC 5321, 4yz: try again.
    Busy,
    /// 5yz: never.
    Refuses,
}

/// A mail server that keeps what it is given.
#[derive(Clone)]
struct Server {
    url: String,
    mood: Arc<Mutex<Mood>>,
    mails: Arc<Mutex<Vec<String>>>,
    refused: Arc<Mutex<u64>>,
}

impl Server {
    async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("smtp://{}", listener.local_addr().expect("it is bound"));
        let mood = Arc::new(Mutex::new(mood));
        let server = Self { url, mood, mails: Arc::default(), refused: Arc::default() };
        let each = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let each = each.clone();
                tokio::spawn(async move { each.talk(stream).await });
            }
        });
        server
    }

    async fn talk(&self, stream: TcpStream) -> std::io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        write.write_all(b"220 here\r\n").await?;
        while let Some(line) = lines.next_line().await? {
            let answer = match line.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" | "HELO" => "250 here\r\n".to_owned(),
                "RCPT" => self.recipient(&line),
                "DATA" => {
                    write.write_all(b"354 go on\r\n").await?;
                    let mut mail = String::new();
                    while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                        mail.push_str(&line);
                        mail.push('\n');
                    }
                    self.mails.lock().expect("lock").push(mail);
                    "250 taken\r\n".to_owned()
                }
                "QUIT" => return write.write_all(b"221 bye\r\n").await,
                _ => "250 good\r\n".to_owned(),
            };
            write.write_all(answer.as_bytes()).await?;
        }
        Ok(())
    }

    fn recipient(&self, line: &str) -> String {
        let mood = *self.mood.lock().expect("lock");
        if mood != Mood::Takes {
            *self.refused.lock().expect("lock") += 1;
        }
        match mood {
            Mood::Takes => "250 good\r\n".to_owned(),
            Mood::Busy => "451 later\r\n".to_owned(),
            Mood::Refuses => format!("550 nobody here: {line}\r\n"),
        }
    }

    fn mails(&self) -> Vec<String> {
        self.mails.lock().expect("lock").clone()
    }

    async fn mail(&self, about: &str) -> String {
        wait::until("a mail", async || self.mails().into_iter().find(|mail| mail.contains(about))).await
    }

    async fn refused(&self, times: u64) {
        wait::until("mails to be refused", async || {
            (*self.refused.lock().expect("lock") >= times).then_some(())
        })
        .await;
    }
}

/// A world that sends mail to this server.
async fn world(server: &Server) -> World {
    let mut world = World::fresh().await;
    world.config.mail.url = server.url.as_str().into();
    "https://tickets.example".clone_into(&mut world.config.mail.page_url);
    world
}

async fn join(visitor: &Visitor, email: &str) -> String {
    let joined = visitor.try_join(SHOW, None, &json!({ "party": 1, "email": email })).await;
    assert_eq!(joined.status, 201, "{}", joined.body);
    joined.body["id"].as_str().expect("an id").to_owned()
}

async fn left(world: &World) -> i64 {
    let client = world.pool.get().await.expect("the test database answers");
    client.query_one("SELECT count(*) FROM waitlist.mails", &[]).await.expect("the query is good").get(0)
}

async fn nothing_left(world: &World) {
    wait::until("no mail to be left", async || (left(world).await == 0).then_some(())).await;
}

#[tokio::test]
async fn an_offer_and_its_end_are_written_to_who_gave_an_address_and_to_nobody_else() {
    let server = Server::start(Mood::Takes).await;
    let mut world = world(&server).await;
    let here = world.start().await;
    Visitor::new("silent", here).join(1).await;
    let ann = Visitor::new("ann", here);
    let entry = join(&ann, ADDRESS).await;
    world.reservations.escrow("e1", SHOW, &["A1", "B3"], 30).await;
    let mail = server.mail("held for you").await;
    let offer = ann.until(&entry, "offered").await["offer"].clone();
    for part in [
        "To: ann@theater.example\n",
        &format!("Message-ID: <{entry}.offered@marquee.example>\n"),
        "The Matinee at Grand in Chicago, ",
        &format!("{}, held for you until ", offer["seats"][0].as_str().expect("a seat")),
        "https://tickets.example/shows/tonight",
    ] {
        assert!(mail.contains(part), "{part:?} in {mail}");
    }
    world.reservations.end_hold(offer["hold_id"].as_str().expect("an id"), "expired").await;
    server.mail("Your offer is over").await;
    nothing_left(&world).await;
    assert_eq!(server.mails().len(), 2, "{:?}", server.mails());
}

#[tokio::test]
async fn the_end_of_a_line_is_written_and_names_a_show_that_is_gone() {
    let server = Server::start(Mood::Takes).await;
    let mut world = world(&server).await;
    let here = world.start().await;
    join(&Visitor::new("ann", here), ADDRESS).await;
    world.reservations.execute("DELETE FROM catalog_published.shows", &[]).await;
    let mail = server.mail("is off the program").await;
    assert!(mail.contains("The Matinee at Grand in Chicago"), "{mail}");
    nothing_left(&world).await;
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let server = Server::start(Mood::Busy).await;
    let mut world = world(&server).await;
    let here = world.start().await;
    let ann = join(&Visitor::new("ann", here), ADDRESS).await;
    world.reservations.escrow("e1", SHOW, &["A1"], 30).await;
    server.refused(1).await;
    // Another process goes on with it.
    world.stop().await;
    *server.mood.lock().expect("lock") = Mood::Takes;
    let here = world.start().await;
    assert!(server.mail("held for you").await.contains(&ann));
    nothing_left(&world).await;

    *server.mood.lock().expect("lock") = Mood::Refuses;
    join(&Visitor::new("bob", here), "bob@theater.example").await;
    world.reservations.escrow("e2", SHOW, &["A2"], 30).await;
    server.refused(2).await;
    nothing_left(&world).await;
    assert_eq!((server.mails().len(), *server.refused.lock().expect("lock")), (1, 2));
}

#[tokio::test]
async fn an_offer_that_was_answered_is_not_written_about() {
    let server = Server::start(Mood::Busy).await;
    let mut world = world(&server).await;
    let here = world.start().await;
    let ann = Visitor::new("ann", here);
    let entry = join(&ann, ADDRESS).await;
    world.reservations.escrow("e1", SHOW, &["A1"], 30).await;
    server.refused(1).await;
    ann.leave(&entry).await;
    *server.mood.lock().expect("lock") = Mood::Takes;
    nothing_left(&world).await;
    assert!(server.mails().is_empty(), "{:?}", server.mails());
}

#[tokio::test]
async fn a_folder_keeps_mails_and_without_either_no_address_is_taken() {
    let (_world, here) = World::with_one().await;
    let refused =
        Visitor::new("ann", here).try_join(SHOW, None, &json!({ "party": 1, "email": ADDRESS })).await;
    assert_eq!((refused.status.as_u16(), &refused.body["code"]), (422, &json!("mail_unavailable")));

    let folder = std::env::temp_dir().join(format!("marquee-mail-{}", uuid::Uuid::new_v4().simple()));
    let mut world = World::fresh().await;
    world.config.mail.url = format!("file:{}", folder.display()).into();
    let here = world.start().await;
    join(&Visitor::new("ann", here), ADDRESS).await;
    world.reservations.escrow("e1", SHOW, &["A1"], 30).await;
    wait::until("a file", async || {
        let mut files = std::fs::read_dir(&folder).ok()?.filter_map(Result::ok);
        files.any(|file| file.path().extension().is_some_and(|end| end == "eml")).then_some(())
    })
    .await;
    std::fs::remove_dir_all(&folder).expect("it is ours");
}
