//! A carrier's registrar: it asks for credentials, keeps contacts, and an account of who registered when.

mod door;

pub use door::{Door, Notary};

use anyhow::{Context, Result};
use bytes::Bytes;
use carillon_sip::auth::{Algorithm, Credentials, Guard, Ha1, Verdict};
use carillon_sip::{Contacts, Framing, Message, Method, Name};
use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::phone::Wire;

const KEY: [u8; 32] = [9; 32];
const REALM: &str = "carrier";
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A registrar that runs until it is dropped.
#[derive(Debug)]
pub struct Carrier {
    address: SocketAddr,
    books: Arc<Mutex<Books>>,
    stopped: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

/// A REGISTER that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    pub at: Instant,
    /// Where it came from.
    pub from: SocketAddr,
    /// The owner's epoch, with which its Call-ID ends.
    pub epoch: u64,
}

#[derive(Debug, Default)]
struct Books {
    account: Vec<Registered>,
    contacts: BTreeSet<String>,
}

impl Carrier {
    /// Serves one account on an address of loopback.
    pub fn start(address: SocketAddr, username: &str, password: &str) -> Result<Self> {
        let socket = UdpSocket::bind(address).with_context(|| format!("bind {address}"))?;
        socket.set_read_timeout(Some(LOOK_EVERY))?;
        let address = socket.local_addr()?;
        let (desk, books) = Desk::open(username, password);
        let stopped = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&stopped);
        let serving = std::thread::spawn(move || serve(&socket, desk, &ends));
        Ok(Self {
            address,
            books,
            stopped,
            serving: Some(serving),
        })
    }

    /// The same for nodes that connect to it.
    pub fn behind(door: Door, username: &str, password: &str) -> Result<Self> {
        let address = door.address()?;
        let (desk, books) = Desk::open(username, password);
        let stopped = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&stopped);
        let serving = std::thread::spawn(move || serve_connections(&door, desk, &ends));
        Ok(Self {
            address,
            books,
            stopped,
            serving: Some(serving),
        })
    }

    /// Where it is asked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The REGISTERs that it accepted, in their order.
    pub fn account(&self) -> Vec<Registered> {
        self.books().account.clone()
    }

    /// The contacts that it has now.
    pub fn contacts(&self) -> Vec<String> {
        self.books().contacts.iter().cloned().collect()
    }

    /// Two owners, if there ever were: one that registered after a later one had, or two of one epoch.
    pub fn second_owner(&self) -> Option<(Registered, Registered)> {
        let account = self.account();
        let mut pairs = account.windows(2);
        let wrong = pairs.find(|pair| {
            let same = pair[0].epoch == pair[1].epoch && pair[0].from == pair[1].from;
            !same && pair[1].epoch <= pair[0].epoch
        });
        wrong.map(|pair| (pair[0].clone(), pair[1].clone()))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

/// What the serving thread works with.
struct Desk {
    guard: Guard,
    sha256: String,
    md5: String,
    books: Arc<Mutex<Books>>,
    asked: u64,
}

fn serve_connections(door: &Door, desk: Desk, stopped: &Arc<AtomicBool>) {
    let desk = Arc::new(Mutex::new(desk));
    while !stopped.load(Ordering::Relaxed) {
        if let Ok((wire, from)) = door.accept(LOOK_EVERY) {
            let (desk, ends) = (Arc::clone(&desk), Arc::clone(stopped));
            std::thread::spawn(move || serve_connection(wire, from, &desk, &ends));
        }
    }
}

fn serve_connection(mut wire: Wire, from: SocketAddr, desk: &Mutex<Desk>, stopped: &AtomicBool) {
    while !stopped.load(Ordering::Relaxed) {
        let octets = match wire.receive(Instant::now() + LOOK_EVERY) {
            Ok(Some(octets)) => octets,
            Ok(None) => continue,
            // The node has closed it.
            Err(_) => return,
        };
        let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = desk.hear(from, &octets, Framing::Stream) {
            let _ = wire.send(&answer);
        }
    }
}

fn serve(socket: &UdpSocket, mut desk: Desk, stopped: &AtomicBool) {
    let mut octets = vec![0; 65_535];
    while !stopped.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut octets) else {
            continue;
        };
        let datagram = Bytes::copy_from_slice(&octets[..length]);
        if let Some(answer) = desk.hear(from, &datagram, Framing::Datagram) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

impl Desk {
    /// Who has the account, and the books that others may read.
    fn open(username: &str, password: &str) -> (Self, Arc<Mutex<Books>>) {
        let books = Arc::new(Mutex::new(Books::default()));
        let desk = Self {
            guard: Guard::new(REALM),
            sha256: Algorithm::Sha256.ha1(username, REALM, password),
            md5: Algorithm::Md5.ha1(username, REALM, password),
            books: Arc::clone(&books),
            asked: 0,
        };
        (desk, books)
    }

    fn hear(&mut self, from: SocketAddr, octets: &Bytes, framing: Framing) -> Option<Bytes> {
        let request = Message::parse(octets, framing).ok()?;
        match request.method()? {
            Method::Register => {}
            Method::Options => return Some(Message::response_to(&request, 200, "").to_bytes()),
            _ => return None,
        }
        if !self.trusts(&request) {
            self.asked += 1;
            let [sha256, md5] = self.guard.challenge(&KEY, now_ms(), self.asked, false);
            let mut response = Message::response_to(&request, 401, "");
            response.headers.push(Name::WwwAuthenticate, sha256);
            response.headers.push(Name::WwwAuthenticate, md5);
            return Some(response.to_bytes());
        }
        self.register(from, &request)
    }

    fn trusts(&mut self, request: &Message) -> bool {
        let credentials = request
            .headers
            .get(Name::Authorization)
            .and_then(|value| Credentials::parse(value).ok());
        let (Some(credentials), Some(uri)) = (credentials, request.uri()) else {
            return false;
        };
        let ha1 = Ha1 {
            sha256: &self.sha256,
            md5: &self.md5,
        };
        let verdict = self
            .guard
            .judge(&KEY, now_ms(), "REGISTER", uri, &credentials, Some(ha1));
        verdict == Verdict::Accepted
    }

    fn register(&mut self, from: SocketAddr, request: &Message) -> Option<Bytes> {
        let Ok(Contacts::List(contacts)) = request.contacts() else {
            return None;
        };
        let epoch = request.call_id()?.rsplit_once("-e")?.1.parse().ok()?;
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let mut live = false;
        for contact in contacts {
            let uri = contact.address.uri.to_string();
            if contact.expires().or_else(|| request.expires()) == Some(0) {
                books.contacts.remove(&uri);
            } else {
                live = true;
                books.contacts.insert(uri);
            }
        }
        if live {
            let at = Instant::now();
            books.account.push(Registered { at, from, epoch });
        }
        let mut response = Message::response_to(request, 200, "");
        for contact in &books.contacts {
            let granted = format!("<{contact}>;expires=60");
            response.headers.push(Name::Contact, granted);
        }
        Some(response.to_bytes())
    }
}

fn now_ms() -> u64 {
    let age = SystemTime::now().duration_since(UNIX_EPOCH);
    age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
}
