//! MQTT topics: `gengfu/v1/<site>/<node>/<channel>`.
//!
//! The version is part of the topic. A change that old nodes cannot produce or old gateways
//! cannot read is a new version beside the old one.

use core::fmt;

use crate::Name;
use crate::name::NAME_LEN_MAX;

const PREFIX: &str = "gengfu/v1/";

/// The longest topic, in bytes.
pub const TOPIC_LEN_MAX: usize =
    PREFIX.len() + NAME_LEN_MAX + 1 + NAME_LEN_MAX + 1 + Channel::LEN_MAX;

/// What a topic of a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// [`crate::message::State`], retained: birth and last will. From the node.
    State,
    /// [`crate::message::Pack`], QoS 1. From the node.
    Readings,
    /// [`crate::message::Plan`], retained. To the node.
    Config,
    /// [`crate::message::Applied`], retained. From the node.
    ConfigApplied,
    /// [`crate::message::Command`]. To the node.
    Command,
    /// [`crate::message::CommandResult`]. From the node.
    CommandResult,
    /// [`crate::message::UpdateAsk`]. From the node.
    Update,
    /// [`crate::message::UpdatePiece`]. To the node.
    UpdatePiece,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 8] = [
        Self::State,
        Self::Readings,
        Self::Config,
        Self::ConfigApplied,
        Self::Command,
        Self::CommandResult,
        Self::Update,
        Self::UpdatePiece,
    ];

    const LEN_MAX: usize = "command/result".len();

    /// Returns the end of the topic.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Readings => "readings",
            Self::Config => "config",
            Self::ConfigApplied => "config/applied",
            Self::Command => "command",
            Self::CommandResult => "command/result",
            Self::Update => "update",
            Self::UpdatePiece => "update/piece",
        }
    }

    /// Returns the channel with this end of a topic, if there is one.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text)
    }
}

/// The text of a topic or of a subscription filter, without a heap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Topic {
    bytes: [u8; TOPIC_LEN_MAX],
    len: usize,
}

impl Topic {
    /// Returns the topic of one channel of one node.
    #[must_use]
    pub fn new(site: Name, node: Name, channel: Channel) -> Self {
        Self::joined(site.as_str(), node.as_str(), channel)
    }

    /// Returns the filter that matches one channel of every node of a site.
    #[must_use]
    pub fn of_all_nodes(site: Name, channel: Channel) -> Self {
        Self::joined(site.as_str(), "+", channel)
    }

    fn joined(site: &str, node: &str, channel: Channel) -> Self {
        let mut topic = Self { bytes: [0; TOPIC_LEN_MAX], len: 0 };
        for part in [PREFIX, site, "/", node, "/", channel.as_str()] {
            let end = topic.len.saturating_add(part.len());
            if let Some(room) = topic.bytes.get_mut(topic.len..end) {
                room.copy_from_slice(part.as_bytes());
                topic.len = end;
            }
        }
        topic
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let used = self.bytes.get(..self.len).unwrap_or_default();
        core::str::from_utf8(used).unwrap_or_default()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.as_str())
    }
}

/// Returns the site, the node and the channel that a topic names, or `None` if it is none
/// of ours.
#[must_use]
pub fn parse(topic: &str) -> Option<(Name, Name, Channel)> {
    let mut parts = topic.strip_prefix(PREFIX)?.splitn(3, '/');
    let site = Name::new(parts.next()?).ok()?;
    let node = Name::new(parts.next()?).ok()?;
    Some((site, node, Channel::from_text(parts.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_topics_of_a_node_read_as_the_protocol_says() {
        let (site, node) = (Name::new("demo-campus").unwrap(), Name::new("node-office").unwrap());
        let texts = Channel::ALL.map(|channel| Topic::new(site, node, channel));
        assert_eq!(
            texts.each_ref().map(Topic::as_str),
            [
                "gengfu/v1/demo-campus/node-office/state",
                "gengfu/v1/demo-campus/node-office/readings",
                "gengfu/v1/demo-campus/node-office/config",
                "gengfu/v1/demo-campus/node-office/config/applied",
                "gengfu/v1/demo-campus/node-office/command",
                "gengfu/v1/demo-campus/node-office/command/result",
                "gengfu/v1/demo-campus/node-office/update",
                "gengfu/v1/demo-campus/node-office/update/piece",
            ],
            "deployed nodes and gateways would no longer hear each other"
        );
        let filter = Topic::of_all_nodes(site, Channel::Readings);
        assert_eq!(filter.as_str(), "gengfu/v1/demo-campus/+/readings");
    }

    #[test]
    fn the_longest_topic_fits() {
        let name = Name::new("abcdefghijklmnopqrstuvwxyz-12345").unwrap();
        for channel in Channel::ALL {
            let topic = Topic::new(name, name, channel);
            assert_eq!(parse(topic.as_str()), Some((name, name, channel)));
        }
        let longest = Topic::new(name, name, Channel::CommandResult);
        assert_eq!(longest.as_str().len(), TOPIC_LEN_MAX);
    }

    #[test]
    fn a_topic_that_is_not_ours_names_nothing() {
        for topic in [
            "",
            "gengfu/v1/a/b",
            "gengfu/v1/a/b/",
            "gengfu/v2/a/b/state",
            "gengfu/v1/a/b/state/",
            "gengfu/v1/a/b/config/other",
            "gengfu/v1//b/state",
            "gengfu/v1/a/+/state",
            "other/v1/a/b/state",
        ] {
            assert_eq!(parse(topic), None, "{topic}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(text in ".*", tail in "gengfu/v1/[a-z/+#]*") {
            std::hint::black_box((parse(&text), parse(&tail)));
        }
    }
}
