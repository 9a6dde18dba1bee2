//! `node keys`, `node sign`, `node update`: new programs for microcontrollers.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use rcgen::{KeyPair, PKCS_ED25519, SigningKey as _};
use sha2::{Digest as _, Sha256};
use wire::Name;
use wire::message::{ImageMark, Manifest, Version};

use super::say;
use crate::authority::{put, put_bytes};
use crate::config::Config;
use crate::ingest::updates::{UPDATES_FOLDER, update_file};

/// Where the keys go.
#[derive(Debug, Args)]
pub(super) struct KeysArguments {
    /// The folder for `update.key` and `update.pub`.
    #[arg(long, default_value = ".")]
    out: PathBuf,
}

/// Makes the key that signs updates, and what boards know it by.
pub(super) fn keys(arguments: &KeysArguments) -> Result<()> {
    let (key, public) = (arguments.out.join("update.key"), arguments.out.join("update.pub"));
    if key.exists() {
        bail!("`{}` exists already; boards that know it would take no other", key.display());
    }
    let made = std::fs::create_dir_all(&arguments.out);
    made.with_context(|| format!("cannot make `{}`", arguments.out.display()))?;
    let pair = KeyPair::generate_for(&PKCS_ED25519)?;
    put(&key, &pair.serialize_pem(), 0o600)?;
    let digits: String = pair.public_key_raw().iter().map(|byte| format!("{byte:02x}")).collect();
    put(&public, &format!("{digits}\n"), 0o644)?;
    let (key, public) = (key.display(), public.display());
    say(format!("签名密钥 `{key}` 已生成：只留在签名的那台电脑上，另存一份，不要放到网关上。"));
    say(format!(
        "下一步：登记采集器时加上 `--update-key {public}`，采集器从此只认这把钥匙签的程序。"
    ));
    say("");
    say(format!(
        "The signing key `{key}` is made. It stays on the machine that signs: keep a copy, and \
         never put it on the gateway."
    ));
    say(format!(
        "What comes next: enroll boards with `--update-key {public}`; they then take programs \
         that this key has signed, and no others."
    ));
    Ok(())
}

/// Reads the key by which boards know who signs.
pub(super) fn public_key(path: &Path) -> Result<[u8; 32]> {
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("cannot read `{}`", path.display()))?;
    let digits: Vec<u8> = text.trim().bytes().collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    let byte = |pair: &[u8; 2]| {
        std::str::from_utf8(pair).ok().and_then(|it| u8::from_str_radix(it, 16).ok())
    };
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes
        .filter(|_| rest.is_empty())
        .and_then(|bytes| bytes.try_into().ok())
        .with_context(|| format!("`{}` is no key that `gengfu node keys` made", path.display()))
}

/// What to sign.
#[derive(Debug, Args)]
pub(super) struct SignArguments {
    /// The image, as the build leaves it (ELF); board and version stand in it.
    image: PathBuf,
    /// The signing key.
    #[arg(long, default_value = "update.key")]
    key: PathBuf,
    /// The file of the update; without it the image's name with `.update`.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Signs an image.
pub(super) fn sign(arguments: &SignArguments) -> Result<()> {
    let path = arguments.image.display();
    let elf = std::fs::read(&arguments.image).with_context(|| format!("cannot read `{path}`"))?;
    let image = flat(&elf).with_context(|| format!("`{path}` is no image of a board"))?;
    let (board, version) = mark_in(&image)
        .with_context(|| format!("in `{path}` stands neither a board nor a version"))?;
    let pem = std::fs::read_to_string(&arguments.key);
    let pem = pem.with_context(|| format!("cannot read `{}`", arguments.key.display()))?;
    let key = KeyPair::from_pem(&pem).context("that is no signing key")?;
    let sha256 = Sha256::digest(&image).into();
    let len = u32::try_from(image.len()).context("no board has such an image")?;
    let mut manifest = Manifest { board, version, len, sha256, signature: [0; 64] };
    let signature = key.sign(&manifest.signed())?;
    manifest.signature = signature.try_into().ok().context("that key is not an Ed25519 key")?;
    let out = arguments.out.clone();
    let out = out.unwrap_or_else(|| arguments.image.with_extension("update"));
    put_bytes(&out, &[&manifest.encode()[..], &image].concat(), 0o644)?;
    say(format!("{} {} {}", out.display(), board, told(version)));
    Ok(())
}

fn told(version: Version) -> String {
    format!("{}.{}.{}", version.major, version.minor, version.patch)
}

/// Lays out what a board's flash holds: the loaded parts of an ELF file at their places, with
/// erased flash between them.
fn flat(elf: &[u8]) -> Option<Vec<u8>> {
    const LOAD: u32 = 1;
    let word = |at: usize| Some(u32::from_le_bytes(*elf.get(at..)?.first_chunk()?));
    let half = |at: usize| Some(usize::from(u16::from_le_bytes(*elf.get(at..)?.first_chunk()?)));
    elf.strip_prefix(b"\x7fELF\x01\x01")?;
    let (table, size, count) = (usize::try_from(word(28)?).ok()?, half(42)?, half(44)?);
    let mut parts = Vec::new();
    for header in (0..count).map(|n| table + n * size) {
        let (kind, offset) = (word(header)?, usize::try_from(word(header + 4)?).ok()?);
        let (place, len) = (word(header + 12)?, usize::try_from(word(header + 16)?).ok()?);
        if kind == LOAD && 0 < len {
            parts.push((place, elf.get(offset..offset.checked_add(len)?)?));
        }
    }
    let first = parts.iter().map(|(place, _)| *place).min()?;
    let mut image = Vec::new();
    for (place, bytes) in parts {
        let at = usize::try_from(place - first).ok()?;
        // Nothing of ours is larger than a megabyte; a wrong header must not fill the memory.
        if (16 << 20) < at + bytes.len() {
            return None;
        }
        if image.len() < at + bytes.len() {
            image.resize(at + bytes.len(), 0xFF);
        }
        image.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
    }
    Some(image)
}

/// Finds what an image says of itself.
fn mark_in(image: &[u8]) -> Option<(Name, Version)> {
    let mut found = image.windows(ImageMark::LEN).filter_map(ImageMark::read);
    let first = found.next()?;
    // Two that differ would leave it open which of them the program goes by.
    found.all(|other| other == first).then_some(first)
}

/// Whom to give an update.
#[derive(Debug, Args)]
pub(super) struct UpdateArguments {
    /// The node, as in the site book.
    node: Name,
    /// The signed image.
    update: PathBuf,
    /// The configuration file of the gateway.
    #[arg(long, default_value = "gengfu.toml")]
    config: PathBuf,
}

/// Puts an update where the running gateway finds it for a node.
pub(super) fn update(arguments: &UpdateArguments) -> Result<()> {
    let config = Config::load(&arguments.config)?;
    let path = arguments.update.display();
    let bytes =
        std::fs::read(&arguments.update).with_context(|| format!("cannot read `{path}`"))?;
    let manifest = Manifest::decode(&bytes).ok();
    let manifest = manifest.with_context(|| format!("`{path}` is no signed image"))?;
    let image = bytes.get(Manifest::LEN..).unwrap_or_default();
    if u32::try_from(image.len()) != Ok(manifest.len)
        || Sha256::digest(image)[..] != manifest.sha256
    {
        bail!("`{path}` is damaged: copy it again");
    }
    let folder = config.data_dir.join(UPDATES_FOLDER);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make `{}`", folder.display()))?;
    let node = arguments.node;
    put_bytes(&folder.join(update_file(&node)), &bytes, 0o644)?;
    let (board, version) = (manifest.board, told(manifest.version));
    say(format!("采集器 `{node}` 一分钟内开始下载 {board} {version}；断线断电后接着下。"));
    say("签名、板型和版本由采集器自己核对；新程序连不上网关就退回旧的。结果见网关日志。");
    say("");
    say(format!(
        "Node `{node}` begins to load {board} {version} within a minute, and goes on after any \
         interruption."
    ));
    say("Signature, board and version are checked by the node itself; a new program that does \
         not reach the gateway gives way to the one before. The gateway's log tells what came \
         of it.");
    Ok(())
}
