//! `node keys`, `node sign`, `node update`: new programs for microcontrollers.
//!
//! The gateway hands out what lies in its folder ([`crate::ingest::updates`]); here it is made,
//! put there, and watched on its way.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use object::LittleEndian;
use object::elf::{FileHeader32, PT_LOAD};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use rcgen::{KeyPair, PKCS_ED25519, SigningKey as _};
use sha2::{Digest as _, Sha256};
use wire::Name;
use wire::message::{ImageMark, Manifest, PIECE, UpdateAsk, UpdateState, Version};

use super::{note, runtime, say};
use crate::authority::{put, put_bytes};
use crate::clock::Clock;
use crate::config::Config;
use crate::ingest::updates::{UPDATES_FOLDER, said_file, update_file};
use crate::words::{Language, text};

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
    put(&public, &format!("{}\n", HEXLOWER.encode(pair.public_key_raw())), 0o644)?;
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
    let key = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
    key.and_then(|key| key.try_into().ok())
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
    let header = FileHeader32::<LittleEndian>::parse(elf).ok()?;
    let endian = header.endian().ok()?;
    let mut parts = Vec::new();
    for segment in header.program_headers(endian, elf).ok()? {
        let bytes = segment.data(endian, elf).ok()?;
        if segment.p_type(endian) == PT_LOAD && !bytes.is_empty() {
            parts.push((segment.p_paddr(endian), bytes));
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
    #[arg(required_unless_present = "withdraw")]
    update: Option<PathBuf>,
    /// Take back what was given to it; what it runs already stays.
    #[arg(long, conflicts_with = "update")]
    withdraw: bool,
    /// For how many minutes to tell how far it is; 0 tells nothing.
    #[arg(long, default_value_t = 30)]
    wait: u32,
    /// The configuration file of the gateway.
    #[arg(long, default_value = "gengfu.toml")]
    config: PathBuf,
}

/// Puts an update where the running gateway finds it for a node, and tells what becomes of it.
pub(super) fn update(arguments: &UpdateArguments, clock: &Clock) -> Result<()> {
    let config = Config::load(&arguments.config)?;
    let folder = config.data_dir.join(UPDATES_FOLDER);
    let node = arguments.node;
    let Some(update) = &arguments.update else { return withdraw(&folder, &node) };
    let path = update.display();
    let bytes = std::fs::read(update).with_context(|| format!("cannot read `{path}`"))?;
    let manifest = Manifest::decode(&bytes).ok();
    let manifest = manifest.with_context(|| format!("`{path}` is no signed image"))?;
    let image = bytes.get(Manifest::LEN..).unwrap_or_default();
    if u32::try_from(image.len()) != Ok(manifest.len)
        || Sha256::digest(image)[..] != manifest.sha256
    {
        bail!("`{path}` is damaged: copy it again");
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make `{}`", folder.display()))?;
    put_bytes(&folder.join(update_file(&node)), &bytes, 0o644)?;
    let (board, version) = (manifest.board, told(manifest.version));
    say(format!("采集器 `{node}` 一分钟内开始下载 {board} {version}；断线断电后接着下。"));
    say("签名、板型和版本由采集器自己核对；新程序连不上网关就退回旧的。");
    say("");
    say(format!(
        "Node `{node}` begins to load {board} {version} within a minute, and goes on after any \
         interruption."
    ));
    say("Signature, board and version are checked by the node itself; a new program that does \
         not reach the gateway gives way to the one before.");
    if arguments.wait == 0 {
        return Ok(());
    }
    say("");
    let until = clock.now().saturating_add(i64::from(arguments.wait) * 60);
    runtime()?.block_on(follow(&folder, &node, &manifest, until, clock))
}

fn withdraw(folder: &Path, node: &Name) -> Result<()> {
    let path = folder.join(update_file(node));
    std::fs::remove_file(&path).with_context(|| format!("there is no `{}`", path.display()))?;
    say(format!("给采集器 `{node}` 的新程序已撤回。"));
    say(format!("The new program for node `{node}` is taken back."));
    Ok(())
}

/// How often what the node has said is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Tells how far a node is with an update until it runs it or has said why not.
async fn follow(
    folder: &Path,
    node: &Name,
    manifest: &Manifest,
    until: i64,
    clock: &Clock,
) -> Result<()> {
    let version = told(manifest.version);
    let mut before = None;
    while clock.now() < until {
        let said = std::fs::read(folder.join(said_file(node))).ok();
        let step =
            said.and_then(|said| UpdateAsk::decode(&said).ok()).map(|it| step(&it, manifest));
        if step != before {
            match step {
                Some(Step::Runs) => {
                    say(format!("采集器 `{node}` 已运行 {version}，并连上了网关。"));
                    say(format!("Node `{node}` runs {version} and has reached the gateway."));
                    return Ok(());
                }
                Some(Step::Failed(state)) => {
                    let [chinese, english] =
                        [Language::Zh, Language::En].map(|language| why(state, language));
                    say(format!("采集器 `{node}` 没有换上 {version}：{chinese}。旧程序照常运行。"));
                    bail!(
                        "node `{node}` did not take {version}: {english}; the one before runs on"
                    );
                }
                Some(Step::Loading { tenths }) => {
                    note(&format!("已下载 loaded: {} %", tenths * 10));
                }
                Some(Step::Restarting) => {
                    note(
                        "已下载并核对，正在重启试用 loaded and checked; it starts again to try it",
                    );
                }
                Some(Step::Waiting) | None => {
                    note("等采集器来取 waiting for the node to ask for it");
                }
            }
            before = step;
        }
        tokio::time::sleep(LOOK).await;
    }
    bail!(
        "到时间了，采集器 `{node}` 还没有结果；它会接着做 time is up and node `{node}` is not done; \
         it goes on by itself"
    )
}

/// How far a node is with a certain update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It has said nothing of this one.
    Waiting,
    Loading {
        tenths: u32,
    },
    Restarting,
    Runs,
    Failed(UpdateState),
}

fn step(said: &UpdateAsk, update: &Manifest) -> Step {
    if said.version == update.version {
        return Step::Runs;
    }
    if said.offer != update.id() {
        return Step::Waiting;
    }
    match said.state {
        UpdateState::Idle => Step::Waiting,
        UpdateState::Loading => {
            // Whole pieces, so that the last of a short image counts as what it is.
            let pieces = update.len.div_ceil(PIECE_LEN).max(1);
            Step::Loading { tenths: said.at.div_ceil(PIECE_LEN).min(pieces) * 10 / pieces }
        }
        UpdateState::Restarting => Step::Restarting,
        UpdateState::RolledBack | UpdateState::Refused(_) => Step::Failed(said.state),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a sector of a flash")]
const PIECE_LEN: u32 = PIECE as u32;

/// Why a node did not take an update, in the words of the page.
fn why(state: UpdateState, language: Language) -> String {
    text(language, &format!("page.update.{}", state.code().replace('-', "_")), &[])
}

#[cfg(test)]
mod tests {
    use wire::message::UpdateFault;

    use super::*;

    const OLD: Version = Version { major: 1, minor: 0, patch: 0 };

    fn manifest() -> Manifest {
        let board = Name::new("board-1").unwrap();
        let version = Version { minor: 1, ..OLD };
        Manifest { board, version, len: 4096 * 4 + 1, sha256: [7; 32], signature: [0; 64] }
    }

    fn said(offer: u32, at: u32, state: UpdateState) -> UpdateAsk {
        UpdateAsk { board: manifest().board, version: OLD, offer, at, state }
    }

    async fn check(said: UpdateAsk) -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let node = Name::new("node-1").unwrap();
        let mut bytes = [0; UpdateAsk::BYTES_MAX];
        let len = said.encode(&mut bytes).unwrap();
        std::fs::write(folder.path().join(said_file(&node)), &bytes[..len]).unwrap();
        // Its clock stands, so it ends only by what the node said.
        follow(folder.path(), &node, &manifest(), 1, &Clock::manual(0)).await
    }

    #[test]
    fn only_what_is_said_of_this_update_tells_how_far_it_is() {
        let (id, loading) = (manifest().id(), UpdateState::Loading);
        let steps = [
            (said(id, 0, loading), Step::Loading { tenths: 0 }),
            (said(id, 4096 * 3, loading), Step::Loading { tenths: 6 }),
            (said(id, 0, UpdateState::Restarting), Step::Restarting),
            (said(id ^ 1, 0, UpdateState::RolledBack), Step::Waiting),
            (said(0, 0, UpdateState::Idle), Step::Waiting),
            (UpdateAsk { version: manifest().version, ..said(0, 0, loading) }, Step::Runs),
        ];

        for (said, wanted) in steps {
            assert_eq!(step(&said, &manifest()), wanted, "{said:?}");
        }
    }

    #[tokio::test]
    async fn who_waits_reads_why_a_node_did_not_take_it_and_that_it_runs() {
        let refused = said(manifest().id(), 0, UpdateState::Refused(UpdateFault::Older));
        let runs = UpdateAsk { version: manifest().version, ..said(0, 0, UpdateState::Idle) };

        let error = check(refused).await.unwrap_err().to_string();
        check(runs).await.unwrap();

        assert!(error.contains("not newer than the program that runs"), "{error}");
        assert!(error.contains("did not take 1.1.0"), "{error}");
    }
}
