//! `node enroll`: a certificate for a node, and what to do with it.

use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use wire::{Name, Papers};

use super::say;
use super::update::public_key;
use crate::authority::{Authority, GATEWAY, Pair, put, put_bytes};
use crate::clock::Clock;
use crate::config::Config;
use crate::node::{AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE};
use crate::site_book::{self, SiteBook};
use crate::store::Store;
use crate::store::journal::NewAudit;

/// Whom to make a certificate for.
#[derive(Debug, Args)]
pub(super) struct EnrollArguments {
    /// The node, as in the site book.
    name: Name,
    /// The configuration file of the gateway.
    #[arg(long, default_value = "gengfu.toml")]
    config: PathBuf,
    /// The folder for the node's files; without it one of the node's name.
    #[arg(long)]
    out: Option<PathBuf>,
    /// A further host name or address by which the gateway, or the broker before it, is known;
    /// its certificate is then made anew. May be given more than once.
    #[arg(long = "gateway")]
    gateway: Vec<String>,
    /// The address at which a microcontroller finds the gateway, such as `192.168.1.10:8883`;
    /// what is to be flashed into it is then written as well, `papers.bin`.
    #[arg(long)]
    board: Option<SocketAddrV4>,
    /// The time server of a microcontroller; without it the gateway's machine.
    #[arg(long, requires = "board")]
    time: Option<SocketAddrV4>,
    /// The key by which a microcontroller knows its updates: `update.pub` of `gengfu node keys`.
    #[arg(long, requires = "board")]
    update_key: Option<PathBuf>,
}

/// What is flashed into a board beside its program.
const PAPERS_FILE: &str = "papers.bin";

/// Makes the certificate and the key of a node, and says what to do with them.
pub(super) fn enroll(arguments: &EnrollArguments, clock: &Clock) -> Result<()> {
    let config = Config::load(&arguments.config)?;
    let node = arguments.name;
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from(node.as_str()));
    if out.join(KEY_FILE).exists() {
        bail!("`{}` holds the key of a node already; name another folder", out.display());
    }
    let store = Store::open(&config.data_dir)?;
    let authority = Authority::open(&config.data_dir, clock.now())?;
    if !arguments.gateway.is_empty() {
        authority.certify_gateway(&arguments.gateway, clock.now())?;
    }
    let pair = authority.enroll(node, clock.now())?;
    let made = std::fs::create_dir_all(&out);
    made.with_context(|| format!("cannot make `{}`", out.display()))?;
    put(&out.join(AUTHORITY_FILE), &authority.certificate()?, 0o644)?;
    put(&out.join(CERTIFICATE_FILE), &pair.certificate, 0o644)?;
    put(&out.join(KEY_FILE), &pair.key, 0o600)?;
    let book = store.journal().view(|journal| journal.site_book())?;
    let book = book.and_then(|row| site_book::parse(&row.text).ok());
    if let Some(broker) = arguments.board {
        let book = book.as_ref().context("which site? `gengfu import` takes the site book in")?;
        let time = arguments.time.map(|time| format!(" time={time}")).unwrap_or_default();
        let key = arguments.update_key.as_deref().map(public_key).transpose()?;
        let text = format!("site={} id={node} broker={broker}{time}", book.site.id);
        put_bytes(&out.join(PAPERS_FILE), &papers(&authority, &pair, &text, key.as_ref())?, 0o600)?;
    }
    store.journal().commit(|journal| {
        journal.append_audit(&NewAudit {
            at: clock.now(),
            author: "command line".to_owned(),
            action: "enroll_node".to_owned(),
            subject: format!("node/{node}"),
            details: "{}".to_owned(),
        })
    })?;
    let told = Told { config: &config, authority: &authority, node, out: &out };
    told.tell(book.as_ref(), arguments.board.is_some());
    Ok(())
}

fn papers(
    authority: &Authority,
    pair: &Pair,
    arguments: &str,
    update_key: Option<&[u8; 32]>,
) -> Result<Vec<u8>> {
    let ca = authority.certificate_der()?;
    let (certificate, key) = (&pair.certificate_der, &pair.key_scalar);
    let papers = Papers { arguments, authority: &ca, certificate, key, update_key };
    let mut bytes = vec![0; Papers::BYTES_MAX];
    let len = papers.encode(&mut bytes).map_err(|_| anyhow::anyhow!("the papers are too long"))?;
    bytes.truncate(len);
    Ok(bytes)
}

/// What there is to tell about.
struct Told<'a> {
    config: &'a Config,
    authority: &'a Authority,
    node: Name,
    out: &'a Path,
}

impl Told<'_> {
    /// Says what was made and what comes next, in both languages.
    fn tell(&self, book: Option<&SiteBook>, is_board: bool) {
        let node = self.node;
        let site = book.map_or_else(|| "SITE".to_owned(), |book| book.site.id.to_string());
        let is_known = book.is_some_and(|book| book.nodes.iter().any(|it| it.id == node));
        let listens = self.config.mqtt.listen.as_ref().and_then(|listen| listen.tls.as_ref());
        let is_protected = listens.is_some_and(|tls| tls.client_ca.is_some());
        let folder = self.out.display();
        let start = if is_board {
            format!("{folder}/{PAPERS_FILE}")
        } else {
            format!(
                "gengfu node --site {site} --id {node} --bus … --broker 192.168.1.10:8883 \
                 --tls {folder}"
            )
        };
        let section = self.section();
        let kept = self.config.data_dir.join("authority");
        let kept = kept.display();

        say(format!("采集器 `{node}` 的证书已生成，在 `{folder}`。"));
        if !is_known {
            say(format!("注意：台账里还没有采集器 `{node}`；请先用 `gengfu import` 登记。"));
        }
        say("下一步：");
        if is_protected {
            say("1. 网关已要求采集器出示证书，不用改。");
        } else {
            say(format!("1. 在网关的 gengfu.toml 里写上，然后重启网关：\n{section}"));
        }
        if is_board {
            say(format!("2. 把这个文件烧进采集器（地址见 firmware/README.md）：\n    {start}"));
        } else {
            say(format!(
                "2. 把 `{folder}` 整个拷到采集器上，填上它的总线和网关的地址启动：\n    {start}"
            ));
        }
        say(format!("`{folder}` 里有私钥：不要发邮件，用完就从别处删掉。"));
        say(format!("`{kept}` 不在每日备份里，请另存一份在安全的地方；丢了要重新登记所有采集器。"));
        say("");
        say(format!("The certificate of node `{node}` is made; it lies in `{folder}`."));
        if !is_known {
            say(format!(
                "Note: `{node}` is not in the site book yet; `gengfu import` takes it in."
            ));
        }
        say("What comes next:");
        if is_protected {
            say("1. The gateway asks nodes for their certificates already; leave it as it is.");
        } else {
            say(format!(
                "1. Write this into the gateway's gengfu.toml, then start it again:\n{section}"
            ));
        }
        if is_board {
            say(format!(
                "2. Flash this file into the node (where to: firmware/README.md):\n    {start}"
            ));
        } else {
            say(format!(
                "2. Copy all of `{folder}` to the node and start it there, with its bus and the \
                 gateway's address:\n    {start}"
            ));
        }
        say(format!("A private key is in `{folder}`: no mail, and no copy that is not needed."));
        say(format!(
            "`{kept}` is in no nightly backup. Keep a copy of it in a safe place; without it all \
             nodes must be enrolled again."
        ));
        say(format!("(Nodes know the gateway as `{GATEWAY}`, whatever its address.)"));
    }

    /// What the gateway's configuration needs.
    fn section(&self) -> String {
        let (certificate, key) = self.authority.gateway_files();
        let full = |path: PathBuf| std::path::absolute(&path).unwrap_or(path).display().to_string();
        format!(
            "    [mqtt.listen]\n    address = \"0.0.0.0:8883\"\n    tls_cert = \"{}\"\n    \
             tls_key = \"{}\"\n    client_ca = \"{}\"",
            full(certificate),
            full(key),
            full(self.authority.certificate_file())
        )
    }
}
