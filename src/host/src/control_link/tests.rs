use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    recv, send as send_now, sendmsg, socketpair,
};

use super::*;

fn pair(kind: SocketType) -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap()
}

struct Fixture {
    /// The launcher's end; blocking.
    launcher_end: OwnedFd,
    launcher: Launcher,
    reports: mpsc::Receiver<Received>,
    task: tokio::task::JoinHandle<Result<(), LinkError>>,
}

fn fixture() -> Fixture {
    let (launcher_end, core_end) = pair(SocketType::SEQPACKET);
    let (link, launcher, reports) = link(ControlSocket::new(core_end).unwrap());
    Fixture { launcher_end, launcher, reports, task: tokio::spawn(link.run()) }
}

impl Fixture {
    fn report(&self, report: &Report, descriptors: &[&OwnedFd]) {
        let descriptors: Vec<_> = descriptors.iter().map(|fd| fd.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
        }
        let bytes = encode(report).unwrap();
        sendmsg(&self.launcher_end, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::empty()).unwrap();
    }

    async fn asked(&self) -> Ask {
        let fd = self.launcher_end.try_clone().unwrap();
        let receive = move || {
            let mut buffer = vec![0; MAX_MESSAGE_BYTES];
            let (length, _) = recv(&fd, &mut buffer[..], RecvFlags::empty()).unwrap();
            decode(&buffer[..length]).unwrap()
        };
        tokio::task::spawn_blocking(receive).await.unwrap()
    }

    async fn failure(self) -> LinkError {
        self.task.await.unwrap().unwrap_err()
    }
}

fn started() -> Report {
    Report::Started { module: "a".parse().unwrap(), confinement: "tight".to_owned() }
}

#[tokio::test]
async fn a_modules_socket_arrives_with_the_report_that_names_it() {
    let mut fixture = fixture();
    let (module_end, _other) = pair(SocketType::STREAM);
    fixture.report(&started(), &[&module_end]);
    let received = fixture.reports.recv().await.unwrap();
    assert_eq!(received.report, started());
    let flags = rustix::io::fcntl_getfd(received.socket.unwrap()).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

#[tokio::test]
async fn a_start_without_a_socket_ends_the_link() {
    let fixture = fixture();
    fixture.report(&started(), &[]);
    assert!(matches!(fixture.failure().await, LinkError::Protocol { .. }));
}

#[tokio::test]
async fn a_descriptor_nobody_expects_ends_the_link() {
    let fixture = fixture();
    let (stray, _other) = pair(SocketType::STREAM);
    fixture.report(&Report::Shutdown { grace_ms: 1 }, &[&stray]);
    assert!(matches!(fixture.failure().await, LinkError::Protocol { .. }));
}

#[tokio::test]
async fn two_descriptors_end_the_link() {
    let fixture = fixture();
    let (one, other) = pair(SocketType::STREAM);
    fixture.report(&started(), &[&one, &other, &one]);
    assert!(matches!(fixture.failure().await, LinkError::Protocol { .. }));
}

#[tokio::test]
async fn a_truncated_datagram_ends_the_link() {
    let fixture = fixture();
    let too_long = vec![b' '; MAX_MESSAGE_BYTES + 1];
    send_now(&fixture.launcher_end, &too_long, SendFlags::empty()).unwrap();
    let LinkError::Protocol { what } = fixture.failure().await else { panic!("not a protocol error") };
    assert_eq!(what, "a message that is too long");
}

#[tokio::test]
async fn the_link_ends_when_the_launcher_is_gone() {
    let Fixture { launcher_end, task, .. } = fixture();
    drop(launcher_end);
    assert!(matches!(task.await.unwrap(), Err(LinkError::LauncherGone)));
}

#[tokio::test]
async fn who_asks_for_credentials_at_the_same_time_gets_one_answer_for_all() {
    let fixture = fixture();
    let (one, other) = (fixture.launcher.clone(), fixture.launcher.clone());
    let one = tokio::spawn(async move { one.credentials().await });
    let other = tokio::spawn(async move { other.credentials().await });
    assert_eq!(fixture.asked().await, Ask::Credentials);
    let credentials = RpcCredentials { user: "u".to_owned(), password: "p".to_owned() };
    fixture.report(&Report::Credentials { credentials: Ok(credentials.clone()) }, &[]);
    assert_eq!(one.await.unwrap(), Ok(credentials.clone()));
    assert_eq!(other.await.unwrap(), Ok(credentials));
}

#[tokio::test]
async fn what_was_asked_before_the_end_is_sent_before_the_end() {
    let fixture = fixture();
    fixture.launcher.ask(Ask::Ready).unwrap();
    fixture.launcher.finish(Ask::Stopped).unwrap();
    assert_eq!([fixture.asked().await, fixture.asked().await], [Ask::Ready, Ask::Stopped]);
    assert!(fixture.task.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_stream_socket_is_not_taken_for_the_control_socket() {
    let (stream, _other) = pair(SocketType::STREAM);
    assert!(matches!(ControlSocket::new(stream), Err(LinkError::Socket { .. })));
}
