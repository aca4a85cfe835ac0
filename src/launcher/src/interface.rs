//! What the core needs to serve the operator's tools and may not make itself: the listening socket and the secrets
//! by which the tools prove who they are. It never reads from the socket, and accepts no connection.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cofferdam_config::Interface as Settings;
use cofferdam_control::{Interface as Announced, RpcCredentials, Secret};

use nix::fcntl::OFlag;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::unistd::geteuid;

use crate::error::{Error, file, system};
use crate::sys::parent;

/// The user name of a cookie, by which Bitcoin's tools know that it is one.
const COOKIE_USER: &str = "__cookie__";

/// The cookie's name in the state directory.
const COOKIE_FILE: &str = "interface.cookie";

/// The name there of the file that says where the interface listens: the config may leave the port to the kernel.
const ADDRESS_FILE: &str = "interface.address";

/// For the launcher's user alone.
const SECRET: u32 = 0o600;

/// For every tool that may look into the state directory.
const PUBLIC: u32 = 0o644;

/// The longest token, in bytes; more than any tool makes.
const MAX_TOKEN_BYTES: usize = 512;

/// The shortest token, in bytes: 128 bits in hexadecimal are 32.
const MIN_TOKEN_BYTES: usize = 32;

/// The socket and the secrets, for as long as the launcher runs.
#[derive(Debug)]
pub(crate) struct Interface {
    listener: TcpListener,
    announced: Announced,
    cookie_file: PathBuf,
    address_file: PathBuf,
}

impl Interface {
    /// Listens, and writes where it does and a new cookie that only the launcher's user can read.
    ///
    /// # Errors
    /// When the address is taken, or a file cannot be written or read.
    pub(crate) fn open(settings: &Settings, state_dir: &Path) -> Result<Option<Self>, Error> {
        if !settings.enabled {
            return Ok(None);
        }
        let token = settings.token_file.as_deref().map(token).transpose()?;
        let listener = listen(settings.listen)?;
        let address = listener
            .local_addr()
            .map_err(|error| file("listen on", settings.listen.to_string(), "")(error))?;
        let (cookie_file, address_file) = (state_dir.join(COOKIE_FILE), state_dir.join(ADDRESS_FILE));
        let cookie = RpcCredentials { user: COOKIE_USER.to_owned(), password: new_secret()? };
        replace(&cookie_file, &format!("{}:{}", cookie.user, cookie.password), SECRET)?;
        replace(&address_file, &format!("{address}\n"), PUBLIC)?;
        let announced = Announced { address, cookie, token };
        Ok(Some(Self { listener, announced, cookie_file, address_file }))
    }

    /// What the core is told.
    pub(crate) fn announced(&self) -> &Announced {
        &self.announced
    }

    /// The socket, for one core. It is shared with the cores before, and one that has fallen may have shut it down
    /// (shutdown(2), or connect(2) to AF_UNSPEC): then there is a new one.
    pub(crate) fn listener(&mut self) -> Result<OwnedFd, Error> {
        if !getsockopt(&self.listener, sockopt::AcceptConn).map_err(system("read SO_ACCEPTCONN"))? {
            self.listener = listen(self.announced.address)?;
        }
        let again = self.listener.try_clone().map_err(|error| {
            file("duplicate the socket of", self.announced.address.to_string(), "")(error)
        })?;
        Ok(again.into())
    }
}

impl Drop for Interface {
    fn drop(&mut self) {
        // A cookie that stays behind opens nothing, and nobody listens at the address: the next start makes others.
        let _left_behind = (fs::remove_file(&self.cookie_file), fs::remove_file(&self.address_file));
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(address).map_err(|error| {
        let remedy = "is another cofferdam running? set interface.listen to another address";
        file("listen on", address.to_string(), remedy)(error)
    })?;
    // Accepted sockets inherit it, and the core may set no option of a socket. tcp(7)
    setsockopt(&listener, sockopt::TcpNoDelay, &true).map_err(system("set TCP_NODELAY"))?;
    Ok(listener)
}

/// 256 random bits in hexadecimal.
fn new_secret() -> Result<String, Error> {
    let words = [(); 4].map(|()| parent::random_u64().map(|word| format!("{word:016x}")));
    words.into_iter().collect::<Result<String, _>>().map_err(system("getrandom"))
}

const UNWRITABLE: &str = "may this user write there, and is there room?";

/// Replaces the file as a whole, so that no tool reads half of it.
fn replace(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(file("remove", &fresh, UNWRITABLE)(error));
        }
        Ok(()) | Err(_) => {}
    }
    let mut opened = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh)
        .map_err(file("create", &fresh, UNWRITABLE))?;
    opened.write_all(text.as_bytes()).map_err(file("write", &fresh, UNWRITABLE))?;
    fs::rename(&fresh, path).map_err(file("put in place", path, UNWRITABLE))
}

/// The token of the operator's, if nobody else can read it.
fn token(path: &Path) -> Result<Secret, Error> {
    let told = |remedy| file("read the token in", path, remedy);
    let wrong = |cause: &str, remedy| Error::File {
        doing: "take the token in",
        path: path.to_owned(),
        cause: cause.to_owned(),
        remedy,
    };
    // In place of the file may stand a pipe: it is not waited for.
    let opened = fs::File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
    let opened = opened.map_err(told("write one line of 32 to 512 printable characters"))?;
    let metadata = opened.metadata().map_err(told(""))?;
    if !metadata.is_file() {
        return Err(wrong("it is no regular file", "write one line of 32 to 512 printable characters"));
    }
    if metadata.uid() != geteuid().as_raw() {
        return Err(wrong("it belongs to another user", "make a new token, as the user who runs cofferdam"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(wrong("other users may read it", "chmod 600 it, and make a new token"));
    }
    let mut text = String::new();
    // One byte more than the longest, and its line end, show that it is too long.
    let bound = u64::try_from(MAX_TOKEN_BYTES + 2).unwrap_or(u64::MAX);
    opened.take(bound).read_to_string(&mut text).map_err(told("write printable characters"))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let printable = line.bytes().all(|byte| byte.is_ascii_graphic());
    if !printable || !(MIN_TOKEN_BYTES..=MAX_TOKEN_BYTES).contains(&line.len()) {
        return Err(wrong(
            "it is not one line of 32 to 512 printable characters",
            "`openssl rand -hex 32` makes one",
        ));
    }
    Ok(Secret(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::PermissionsExt;

    fn settings(token_file: Option<PathBuf>) -> Settings {
        Settings { enabled: true, listen: SocketAddr::from(([127, 0, 0, 1], 0)), token_file }
    }

    fn token_file(directory: &Path, text: &str, mode: u32) -> PathBuf {
        let path = directory.join("token");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn an_interface_that_is_not_wanted_opens_nothing() {
        let state = tempfile::tempdir().unwrap();
        assert!(Interface::open(&Settings::default(), state.path()).unwrap().is_none());
        assert!(!state.path().join(COOKIE_FILE).exists());
    }

    #[test]
    fn where_it_listens_stands_in_a_file_also_if_the_kernel_chose_the_port() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join(ADDRESS_FILE);
        let interface = Interface::open(&settings(None), state.path()).unwrap().unwrap();
        let address: SocketAddr = fs::read_to_string(&path).unwrap().trim_end().parse().unwrap();
        assert_ne!(address.port(), 0);
        assert!(TcpStream::connect(address).is_ok());
        drop(interface);
        assert!(!path.exists());
    }

    #[test]
    fn the_cookie_is_new_each_time_for_the_owner_alone_and_gone_at_the_end() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join(COOKIE_FILE);
        let mut seen = Vec::new();
        for _ in 0..2 {
            let interface = Interface::open(&settings(None), state.path()).unwrap().unwrap();
            let cookie = &interface.announced().cookie;
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("__cookie__:{}", cookie.password));
            assert_eq!(cookie.password.len(), 64);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(TcpStream::connect(interface.announced().address).is_ok());
            seen.push(cookie.password.clone());
            drop(interface);
            assert!(!path.exists());
        }
        assert_ne!(seen[0], seen[1]);
    }

    #[test]
    fn a_socket_that_a_core_has_shut_down_is_replaced_and_one_that_listens_is_not() {
        let state = tempfile::tempdir().unwrap();
        let mut interface = Interface::open(&settings(None), state.path()).unwrap().unwrap();
        let address = interface.announced().address;
        let connects = || TcpStream::connect(address).is_ok();
        for _core in 0..2 {
            let before = interface.listener.as_raw_fd();
            let first = TcpListener::from(interface.listener().unwrap());
            assert_eq!(interface.listener.as_raw_fd(), before);
            assert!(connects());
            nix::sys::socket::shutdown(first.as_raw_fd(), nix::sys::socket::Shutdown::Both).unwrap();
            assert!(!connects(), "the control: nobody listens any more");
            let _second = interface.listener().unwrap();
            assert!(connects());
        }
    }

    #[test]
    fn a_pipe_in_place_of_the_token_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(token(&path).unwrap_err().to_string().contains("no regular file"));
    }

    #[test]
    fn a_link_that_somebody_left_in_the_cookies_place_is_not_followed() {
        let state = tempfile::tempdir().unwrap();
        let victim = state.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        for name in [COOKIE_FILE, "interface.cookie.new"] {
            std::os::unix::fs::symlink(&victim, state.path().join(name)).unwrap();
        }
        let _interface = Interface::open(&settings(None), state.path()).unwrap().unwrap();
        assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    }

    #[test]
    fn an_address_that_is_taken_is_named_with_what_to_do() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = taken.local_addr().unwrap();
        let state = tempfile::tempdir().unwrap();
        let error = Interface::open(&Settings { listen, ..settings(None) }, state.path()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&listen.to_string()) && text.contains("interface.listen"), "{text}");
    }

    #[test]
    fn a_token_is_one_secret_line_of_the_operators() {
        let folder = tempfile::tempdir().unwrap();
        let good = "0123456789abcdef0123456789abcdef";
        let taken = token(&token_file(folder.path(), &format!("{good}\n"), 0o600)).unwrap();
        assert_eq!(taken.0, good);
        for (text, mode, told) in [
            (good, 0o644, "other users may read it"),
            ("short", 0o600, "32 to 512"),
            ("two words that are long enough for it", 0o600, "32 to 512"),
            (&"x".repeat(600), 0o600, "32 to 512"),
        ] {
            let error = token(&token_file(folder.path(), text, mode)).unwrap_err().to_string();
            assert!(error.contains(told) && error.contains("token") && !error.contains(good), "{error}");
        }
    }
}
