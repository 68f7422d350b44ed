//! Kamailio as registrar and proxy, with or without rtpengine: the configuration is our own writing.

use anyhow::{Context, Result};
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use crate::cpu;
use crate::process::{Running, SERVER_CORE, wait_until};

/// Where Kamailio listens.
pub(crate) const ADDRESS: &str = "127.0.3.1";
/// The one password of the benchmark's phones.
pub(crate) const PASSWORD: &str = "benchsecret";
/// Where rtpengine takes its orders.
pub(crate) const NG_PORT: u16 = 2223;

pub(crate) struct Kamailio {
    main: Running,
}

impl Kamailio {
    pub(crate) fn start(folder: &Path, with_media: bool) -> Result<Self> {
        let configuration = folder.join("kamailio.cfg");
        fs::write(&configuration, configuration_text(with_media)).context("write kamailio.cfg")?;
        let file = configuration.to_string_lossy();
        let run = folder.to_string_lossy();
        let arguments = [
            "-DD", "-E", "-f", &file, "-Y", &run, "-m", "256", "-M", "16",
        ];
        let main = Running::start(
            SERVER_CORE,
            "kamailio",
            &arguments,
            &folder.join("kamailio.log"),
        )?;
        let kamailio = Self { main };
        let probe = UdpSocket::bind("127.0.3.3:0")?;
        probe.set_read_timeout(Some(Duration::from_millis(50)))?;
        wait_until("Kamailio", Duration::from_secs(10), || answers(&probe))?;
        Ok(kamailio)
    }

    pub(crate) fn pids(&self) -> Result<Vec<u32>> {
        cpu::family(self.main.pid())
    }
}

fn answers(probe: &UdpSocket) -> bool {
    let local = probe
        .local_addr()
        .map(|address| address.to_string())
        .unwrap_or_default();
    let request = format!(
        "OPTIONS sip:{ADDRESS} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKprobe;rport\r\nFrom: <sip:probe@{ADDRESS}>;tag=1\r\n\
         To: <sip:{ADDRESS}>\r\nCall-ID: probe\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    let mut answer = [0; 1500];
    probe.send_to(request.as_bytes(), (ADDRESS, 5060)).is_ok() && probe.recv(&mut answer).is_ok()
}

/// One worker on the one core: two of them pass a 200 on before the 180 that came first, and SIPp gives such a call up.
fn configuration_text(with_media: bool) -> String {
    let (media_module, offer, delete, reply_route) = if with_media {
        (
            format!(
                "loadmodule \"rtpengine.so\"\nmodparam(\"rtpengine\", \"rtpengine_sock\", \"udp:{ADDRESS}:{NG_PORT}\")"
            ),
            "rtpengine_offer(\"replace-origin replace-session-connection\"); t_on_reply(\"MEDIA\");",
            "if (is_method(\"BYE\")) rtpengine_delete();",
            "onreply_route[MEDIA] { if (has_body(\"application/sdp\")) rtpengine_answer(\"replace-origin replace-session-connection\"); }",
        )
    } else {
        (String::new(), "", "", "")
    };
    format!(
        r#"#!KAMAILIO
debug=0
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
listen=udp:{ADDRESS}:5060
listen=tcp:{ADDRESS}:5060
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "auth.so"
{media_module}
modparam("usrloc", "db_mode", 0)
modparam("auth", "qop", "auth")
request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (has_totag()) {{
    if (loose_route()) {{ {delete} t_relay(); exit; }}
    if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
    sl_send_reply("404", "Not Here"); exit;
  }}
  t_check_trans();
  if (is_method("REGISTER")) {{
    if (!pv_www_authenticate("{ADDRESS}", "{PASSWORD}", "0")) {{ www_challenge("{ADDRESS}", "1"); exit; }}
    save("location"); exit;
  }}
  if (is_method("INVITE")) {{
    if (!pv_proxy_authenticate("{ADDRESS}", "{PASSWORD}", "0")) {{ proxy_challenge("{ADDRESS}", "1"); exit; }}
    consume_credentials();
    record_route();
    if (!lookup("location")) {{ sl_send_reply("404", "Not Found"); exit; }}
    {offer}
    t_relay(); exit;
  }}
  sl_send_reply("405", "Method Not Allowed");
}}
{reply_route}
"#
    )
}
