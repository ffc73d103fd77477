//! The Atom feeds of YouTube, read one tag after the other.
//!
//! Nothing is expanded that the document itself declares: a document type is refused, and so is any entity beyond the
//! five that XML has by itself. What is kept in memory is one entry and the path to where the reader is.

use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};

use crate::Unreadable;

const ATOM: &str = "http://www.w3.org/2005/Atom";
const YOUTUBE: &str = "http://www.youtube.com/xml/schemas/2015";
const TOMBSTONES: &str = "http://purl.org/atompub/tombstones/1.0";

/// Nesting of elements. A feed has five levels.
const DEPTH_MAX: usize = 32;

/// Entries of a feed. The hub sends one; the whole feed has fifteen.
const ITEMS_MAX: usize = 100;

/// Bytes of one field. A title has one hundred characters.
const TEXT_BYTES_MAX: usize = 4_096;

/// What a feed tells of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Video(Video),
    Deleted(Deletion),
}

/// A video that is there, as far as its entry tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Video {
    pub(super) id: String,
    pub(super) channel_id: Option<String>,
    pub(super) title: Option<String>,
    pub(super) published: Option<String>,
    pub(super) updated: Option<String>,
}

/// A video that is gone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Deletion {
    pub(super) id: String,
    pub(super) channel_id: Option<String>,
    pub(super) when: Option<String>,
}

/// Reads a feed.
///
/// # Errors
/// It is not well formed, no Atom feed, over a limit, or has an entry that names no video.
pub(super) fn read(text: &str) -> Result<Vec<Item>, Unreadable> {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut feed = Feed::default();
    loop {
        match reader.read_resolved_event().map_err(|error| not_xml(error.to_string()))? {
            (namespace, Event::Start(start)) => {
                let tag = Tag::of(&namespace, start.local_name().as_ref());
                feed.open(tag, &start)?;
            }
            (_, Event::End(_)) => feed.close()?,
            (_, Event::Text(text)) => feed.add(&text.xml10_content())?,
            (_, Event::CData(text)) => feed.add(&text.xml10_content())?,
            (_, Event::GeneralRef(reference)) => feed.add(&resolved(&reference)?)?,
            (_, Event::DocType(_)) => return Err(not_xml("it declares a document type")),
            (_, Event::Eof) => return feed.finish(),
            (_, Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_)) => {}
        }
    }
}

fn not_xml(why: impl Into<String>) -> Unreadable {
    Unreadable::NotXml(why.into())
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, Unreadable> {
    if let Some(character) = reference.resolve_char_ref().map_err(|error| not_xml(error.to_string()))? {
        return Ok(character.to_string());
    }
    let predefined = resolve_predefined_entity(&reference.xml10_content());
    predefined.map(str::to_owned).ok_or_else(|| not_xml("it uses an entity that is not XML's own"))
}

/// The elements that matter, by what they are called in their namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Feed,
    Entry,
    Id,
    VideoId,
    ChannelId,
    Title,
    Published,
    Updated,
    DeletedEntry,
    By,
    Uri,
    Other,
}

impl Tag {
    fn of(namespace: &ResolveResult<'_>, local_name: &str) -> Self {
        let ResolveResult::Bound(Namespace(namespace)) = namespace else { return Self::Other };
        match (*namespace, local_name) {
            (ATOM, "feed") => Self::Feed,
            (ATOM, "entry") => Self::Entry,
            (ATOM, "id") => Self::Id,
            (ATOM, "title") => Self::Title,
            (ATOM, "published") => Self::Published,
            (ATOM, "updated") => Self::Updated,
            (ATOM, "uri") => Self::Uri,
            (YOUTUBE, "videoId") => Self::VideoId,
            (YOUTUBE, "channelId") => Self::ChannelId,
            (TOMBSTONES, "deleted-entry") => Self::DeletedEntry,
            (TOMBSTONES, "by") => Self::By,
            _ => Self::Other,
        }
    }
}

/// What was read so far.
#[derive(Default)]
struct Feed {
    items: Vec<Item>,
    /// The elements that are open, the outermost first.
    path: Vec<Tag>,
    /// The text of the innermost.
    text: String,
    has_ended: bool,
}

impl Feed {
    fn open(&mut self, tag: Tag, start: &BytesStart<'_>) -> Result<(), Unreadable> {
        match (self.path.as_slice(), tag) {
            ([], Tag::Feed) if !self.has_ended => {}
            ([], _) => return Err(Unreadable::Unexpected("it is no Atom feed".to_owned())),
            ([Tag::Feed], Tag::Entry) => self.begin(Item::Video(Video::default()))?,
            ([Tag::Feed], Tag::DeletedEntry) => self.begin(Item::Deleted(deletion(start)?))?,
            (path, _) if path.len() >= DEPTH_MAX => return Err(not_xml("it is nested too deep")),
            _ => {}
        }
        self.path.push(tag);
        self.text.clear();
        Ok(())
    }

    fn begin(&mut self, item: Item) -> Result<(), Unreadable> {
        if self.items.len() == ITEMS_MAX {
            return Err(Unreadable::Unexpected(format!("it has more than {ITEMS_MAX} entries")));
        }
        self.items.push(item);
        Ok(())
    }

    fn add(&mut self, text: &str) -> Result<(), Unreadable> {
        if self.path.is_empty() && !text.trim_ascii().is_empty() {
            return Err(not_xml("there is text outside of its element"));
        }
        // Only in an entry is anything read; what is elsewhere may be long.
        if self.path.len() > 2 {
            self.text.push_str(text);
        }
        if self.text.len() > TEXT_BYTES_MAX {
            return Err(Unreadable::Unexpected(format!("a field has more than {TEXT_BYTES_MAX} bytes")));
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Unreadable> {
        let text = std::mem::take(&mut self.text).trim().to_owned();
        match (self.path.as_slice(), self.items.last_mut()) {
            ([_, Tag::Entry, tag], Some(Item::Video(video))) if !text.is_empty() => video.set(*tag, text),
            ([_, Tag::DeletedEntry, Tag::By, Tag::Uri], Some(Item::Deleted(deletion))) => {
                deletion.channel_id = text.rsplit_once("/channel/").map(|(_, id)| id.to_owned());
            }
            ([_, Tag::Entry], Some(Item::Video(video))) if video.id.is_empty() => {
                return Err(Unreadable::Unexpected("an entry names no video".to_owned()));
            }
            _ => {}
        }
        self.path.pop();
        self.has_ended = self.path.is_empty();
        Ok(())
    }

    fn finish(self) -> Result<Vec<Item>, Unreadable> {
        if self.has_ended { Ok(self.items) } else { Err(not_xml("it ends too early")) }
    }
}

impl Video {
    fn set(&mut self, tag: Tag, text: String) {
        match tag {
            Tag::VideoId => self.id = text,
            // The same in other words; what is said plainly comes first.
            Tag::Id if self.id.is_empty() => self.id = video_of(&text).unwrap_or_default().to_owned(),
            Tag::ChannelId => self.channel_id = Some(text),
            Tag::Title => self.title = Some(text),
            Tag::Published => self.published = Some(text),
            Tag::Updated => self.updated = Some(text),
            _ => {}
        }
    }
}

fn video_of(id: &str) -> Option<&str> {
    id.strip_prefix("yt:video:").filter(|id| !id.is_empty())
}

fn deletion(start: &BytesStart<'_>) -> Result<Deletion, Unreadable> {
    let mut deletion = Deletion::default();
    // Two attributes of one name are not looked for: that would take the square of the time.
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| not_xml(error.to_string()))?;
        let value = || {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            value.map(std::borrow::Cow::into_owned).map_err(|error| not_xml(error.to_string()))
        };
        match attribute.key.as_ref() {
            "ref" => deletion.id = video_of(&value()?).unwrap_or_default().to_owned(),
            "when" => deletion.when = Some(value()?),
            _ => {}
        }
    }
    let is_too_long = deletion.id.len() + deletion.when.as_ref().map_or(0, String::len) > TEXT_BYTES_MAX;
    if deletion.id.is_empty() || is_too_long {
        return Err(Unreadable::Unexpected("a deletion names no video".to_owned()));
    }
    Ok(deletion)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(inner: &str) -> String {
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><feed xmlns:yt="{YOUTUBE}" xmlns="{ATOM}" xmlns:at="{TOMBSTONES}">
            <link rel="hub" href="https://pubsubhubbub.appspot.com"/><title>YouTube video feed</title>
            <updated>2015-04-01T19:05:24.552394234+00:00</updated>{inner}</feed>"#
        )
    }

    fn entry(inner: &str) -> String {
        feed(&format!("<entry><yt:videoId>V</yt:videoId>{inner}</entry>"))
    }

    fn video(text: &str) -> Video {
        match read(text).unwrap().remove(0) {
            Item::Video(video) => video,
            Item::Deleted(deletion) => panic!("{deletion:?}"),
        }
    }

    #[test]
    fn an_entry_is_read_and_what_is_around_it_is_not() {
        let read = video(&entry(
            "<yt:channelId> C </yt:channelId><title>T</title><link rel='alternate' href='x'/>\
             <author><name>N</name><uri>https://www.youtube.com/channel/X</uri><title>no</title></author>\
             <published>2015-03-06T21:40:57+00:00</published><updated>2015-03-09T19:05:24+00:00</updated>",
        ));
        let expected = Video {
            id: "V".to_owned(),
            channel_id: Some("C".to_owned()),
            title: Some("T".to_owned()),
            published: Some("2015-03-06T21:40:57+00:00".to_owned()),
            updated: Some("2015-03-09T19:05:24+00:00".to_owned()),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn text_is_read_as_it_is_meant() {
        for (written, meant) in [
            ("a &amp; b &lt;c&gt; &quot;&apos;", "a & b <c> \"'"),
            ("caf&#233; &#x1F600;", "café 😀"),
            ("<![CDATA[<b>&amp;</b>]]> and <!-- not --> more", "<b>&amp;</b> and  more"),
            ("  ", ""),
        ] {
            let title = video(&entry(&format!("<title>{written}</title>"))).title;
            assert_eq!(title.unwrap_or_default(), meant);
        }
    }

    #[test]
    fn names_count_by_their_namespace_and_not_by_their_prefix() {
        let other_prefixes = format!(
            r#"<a:feed xmlns:a="{ATOM}"><a:entry><y:videoId xmlns:y="{YOUTUBE}">V</y:videoId><a:title>T</a:title></a:entry></a:feed>"#
        );
        assert_eq!(video(&other_prefixes).title.as_deref(), Some("T"));
        let other_namespace = entry("<title xmlns='urn:other'>T</title><yt:title>T</yt:title>");
        assert_eq!(video(&other_namespace).title, None);
        assert!(read("<feed><entry/></feed>").is_err(), "no namespace at all");
    }

    #[test]
    fn the_id_will_do_where_there_is_no_video_id() {
        assert_eq!(video(&feed("<entry><id>yt:video:W</id></entry>")).id, "W");
        for nameless in ["<entry/>", "<entry><id>W</id></entry>", "<entry><id>yt:video:</id></entry>"] {
            assert!(matches!(read(&feed(nameless)), Err(Unreadable::Unexpected(_))), "{nameless}");
        }
    }

    #[test]
    fn several_items_are_read_in_their_order() {
        let several = feed(
            "<entry><yt:videoId>1</yt:videoId></entry><at:deleted-entry ref='yt:video:2' when='w&amp;'/>\
             <entry><yt:videoId>3</yt:videoId></entry>",
        );
        let gone = Deletion { id: "2".to_owned(), channel_id: None, when: Some("w&".to_owned()) };
        assert!(matches!(read(&several).unwrap().as_slice(),
            [Item::Video(first), Item::Deleted(deletion), Item::Video(last)]
                if first.id == "1" && *deletion == gone && last.id == "3"));
        for nameless in ["<at:deleted-entry/>", "<at:deleted-entry ref='2'/>"] {
            assert!(read(&feed(nameless)).is_err());
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_goes_off() {
        let laughs = format!(
            r#"<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>{}"#,
            entry("<title>&b;</title>").split_once("?>").unwrap().1
        );
        assert_eq!(read(&laughs), Err(not_xml("it declares a document type")));
        let file = laughs.replace(r#""lol""#, r#"SYSTEM "file:///etc/passwd""#);
        assert_eq!(read(&file), Err(not_xml("it declares a document type")));
        assert_eq!(
            read(&entry("<title>&b;</title>")),
            Err(not_xml("it uses an entity that is not XML's own"))
        );
        let deep = entry(&("<a>".repeat(100_000) + &"</a>".repeat(100_000)));
        assert_eq!(read(&deep), Err(not_xml("it is nested too deep")));
        let many = feed(&"<entry><yt:videoId>1</yt:videoId></entry>".repeat(ITEMS_MAX + 1));
        assert!(matches!(read(&many), Err(Unreadable::Unexpected(_))));
        let long = entry(&format!("<title>{}</title>", "x".repeat(TEXT_BYTES_MAX + 1)));
        assert!(matches!(read(&long), Err(Unreadable::Unexpected(_))));
        let attributes: String = (0..100_000).map(|number| format!(" a{number}=''")).collect();
        assert!(read(&feed(&format!("<at:deleted-entry ref='yt:video:V'{attributes}/>"))).is_ok());
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        let good = entry("");
        for bad in [
            "",
            "{}",
            "text",
            "<feed>",
            "</feed>",
            &good[..good.len() - 1],
            &good[..good.len() - "</feed>".len()],
            &good.replace("</entry>", "</entri>"),
            &format!("{good}{good}"),
            &format!("{good}<feed/>"),
            &format!("text{good}"),
            &good.replace("videoId>V", "videoId>&"),
            &good.replace("videoId>V", "videoId>&#0;"),
            "<html xmlns='http://www.w3.org/1999/xhtml'><body/></html>",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
