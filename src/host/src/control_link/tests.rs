use rustix::net::{SendFlags, SocketType, send as send_now};

use super::fake::{FakeLauncher, pair};
use super::*;

struct Fixture {
    fake: FakeLauncher,
    launcher: Launcher,
    reports: mpsc::Receiver<Received>,
    task: tokio::task::JoinHandle<Result<(), LinkError>>,
}

fn fixture() -> Fixture {
    let (fake, socket) = FakeLauncher::new();
    let (link, launcher, reports) = link(socket);
    Fixture { fake, launcher, reports, task: tokio::spawn(link.run()) }
}

impl Fixture {
    async fn failure(self) -> LinkError {
        self.task.await.unwrap().unwrap_err()
    }
}

fn started() -> Report {
    Report::Started { module: "a".parse().unwrap() }
}

#[tokio::test]
async fn a_modules_socket_arrives_with_the_report_that_names_it() {
    let mut fixture = fixture();
    let (module_end, _other) = pair(SocketType::STREAM);
    fixture.fake.report(&started(), &[&module_end]);
    let received = fixture.reports.recv().await.unwrap();
    assert_eq!(received.report, started());
    let flags = rustix::io::fcntl_getfd(received.socket.unwrap()).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

#[tokio::test]
async fn a_start_without_a_socket_ends_the_link() {
    let fixture = fixture();
    fixture.fake.report(&started(), &[]);
    assert!(matches!(fixture.failure().await, LinkError::Protocol { .. }));
}

#[tokio::test]
async fn a_descriptor_nobody_expects_ends_the_link() {
    let fixture = fixture();
    let (stray, _other) = pair(SocketType::STREAM);
    fixture.fake.report(&Report::Shutdown { grace_ms: 1 }, &[&stray]);
    assert!(matches!(fixture.failure().await, LinkError::Protocol { .. }));
}

#[tokio::test]
async fn two_descriptors_end_the_link() {
    let fixture = fixture();
    let (one, other) = pair(SocketType::STREAM);
    fixture.fake.report(&started(), &[&one, &other, &one]);
    assert!(matches!(fixture.failure().await, LinkError::Protocol { .. }));
}

#[tokio::test]
async fn a_truncated_datagram_ends_the_link() {
    let fixture = fixture();
    let too_long = vec![b' '; MAX_MESSAGE_BYTES + 1];
    send_now(fixture.fake.end(), &too_long, SendFlags::empty()).unwrap();
    let LinkError::Protocol { what } = fixture.failure().await else { panic!("not a protocol error") };
    assert_eq!(what, "a message that is too long");
}

#[tokio::test]
async fn the_link_ends_when_the_launcher_is_gone() {
    let Fixture { fake, task, .. } = fixture();
    drop(fake);
    assert!(matches!(task.await.unwrap(), Err(LinkError::LauncherGone)));
}

#[tokio::test]
async fn who_asks_for_credentials_at_the_same_time_gets_one_answer_for_all() {
    let fixture = fixture();
    let (one, other) = (fixture.launcher.clone(), fixture.launcher.clone());
    let one = tokio::spawn(async move { one.credentials().await });
    let other = tokio::spawn(async move { other.credentials().await });
    assert_eq!(fixture.fake.asked().await, Ask::Credentials);
    let credentials = RpcCredentials { user: "u".to_owned(), password: "p".to_owned() };
    fixture.fake.report(&Report::Credentials { credentials: Ok(credentials.clone()) }, &[]);
    assert_eq!(one.await.unwrap(), Ok(credentials.clone()));
    assert_eq!(other.await.unwrap(), Ok(credentials));
}

#[tokio::test]
async fn what_was_asked_before_the_end_is_sent_before_the_end() {
    let fixture = fixture();
    fixture.launcher.ask(Ask::Ready).unwrap();
    fixture.launcher.finish(Ask::Stopped).unwrap();
    assert_eq!([fixture.fake.asked().await, fixture.fake.asked().await], [Ask::Ready, Ask::Stopped]);
    assert!(fixture.task.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_stream_socket_is_not_taken_for_the_control_socket() {
    let (stream, _other) = pair(SocketType::STREAM);
    assert!(matches!(ControlSocket::new(stream), Err(LinkError::Socket { .. })));
}
