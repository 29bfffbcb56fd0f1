//! The guides as a book: mdBook builds it, and every link in its pages leads to a file and a heading that are there. Links to other sites,
//! the README's too, are looked at and not followed: that would take a network.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use mdbook_driver::MDBook;
use mdbook_driver::config::Config;

/// Builds the book of this folder into another.
fn build(from: &Path, into: &Path) -> Result<(), String> {
    let told = |error| format!("{error:#}");
    let mut config = Config::from_disk(from.join("book.toml")).map_err(told)?;
    config.build.build_dir = into.to_owned();
    // A page that the summary names and nobody wrote is a mistake, and not a page to begin.
    config.build.create_missing = false;
    let book = MDBook::load_with_config(from, config).map_err(told)?;
    book.build().map_err(told)
}

/// The values of an attribute in a page.
fn attributes<'a>(html: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let begin = format!(" {name}=\"");
    let places: Vec<usize> = html
        .match_indices(&begin)
        .map(|(place, _)| place + begin.len())
        .collect();
    places
        .into_iter()
        .filter_map(|place| html[place..].split('"').next())
}

/// The pages of a built book.
fn pages(book: &Path) -> HashMap<PathBuf, String> {
    fs::read_dir(book)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "html"))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// The links of all pages of a built book that lead nowhere; and how many links were followed.
fn dead_links(book: &Path) -> (Vec<String>, usize) {
    let pages = pages(book);
    let (mut dead, mut followed) = (Vec::new(), 0);
    for (page, html) in &pages {
        let links = attributes(html, "href").chain(attributes(html, "src"));
        for link in links {
            let is_elsewhere = ["http:", "https:", "mailto:", "javascript:", "data:"]
                .iter()
                .any(|scheme| link.starts_with(scheme));
            // The page for addresses that do not exist names its files from the root of a site.
            if is_elsewhere || page.ends_with("404.html") {
                continue;
            }
            followed += 1;
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                path => book.join(path),
            };
            let leads = match pages.get(&target) {
                Some(_) if heading.is_empty() => true,
                Some(target) => attributes(target, "id").any(|id| id == heading),
                None => target.exists(),
            };
            if !leads {
                let page = page.file_name().unwrap().to_string_lossy();
                dead.push(format!("{page}: {link}"));
            }
        }
    }
    dead.sort();
    (dead, followed)
}

/// The links to other sites, of all pages of a built book, that are malformed or not encrypted; and how many there are in all.
fn careless_links(book: &Path) -> (Vec<String>, usize) {
    let (mut careless, mut seen) = (Vec::new(), 0);
    for (page, html) in pages(book) {
        let page = page.file_name().unwrap().to_string_lossy().into_owned();
        let links = attributes(&html, "href").chain(attributes(&html, "src"));
        for link in links.filter(|link| link.starts_with("http")) {
            seen += 1;
            let host = link
                .strip_prefix("https://")
                .and_then(|rest| rest.split(['/', '?', '#']).next());
            let is_careful = host.is_some_and(|host| host.contains('.'))
                && !link.contains(char::is_whitespace)
                && !link.contains("%20");
            if !is_careful {
                careless.push(format!("{page}: {link}"));
            }
        }
        // A blank in its address ends a link: it is shown as it was written.
        let shown = html.match_indices("](http");
        careless.extend(shown.map(|(place, _)| {
            let end = html[place..]
                .find(')')
                .map_or(html.len(), |end| place + end);
            format!("{page}: {}", &html[place..end])
        }));
    }
    careless.sort();
    (careless, seen)
}

/// A book of one page with this text.
fn write_book(folder: &Path, text: &str) {
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("book.toml", "[book]\nsrc = \".\"\n");
    write("SUMMARY.md", "# Summary\n\n- [Page](page.md)\n");
    write("page.md", text);
}

#[test]
fn links_to_other_sites_are_well_formed_and_encrypted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = tempfile::tempdir().unwrap();
    build(&root.join("harness/docs"), folder.path()).unwrap();
    let (careless, seen) = careless_links(folder.path());
    assert!(careless.is_empty(), "{}", careless.join("\n"));
    assert!(seen > 20, "{seen} links");
    let (readme, built) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_book(
        readme.path(),
        &fs::read_to_string(root.join("README.md")).unwrap(),
    );
    build(readme.path(), built.path()).unwrap();
    let (careless, seen) = careless_links(built.path());
    assert!(careless.is_empty(), "{}", careless.join("\n"));
    assert!(seen > 2, "{seen} links");
}

#[test]
fn a_link_to_another_site_that_is_malformed_or_not_encrypted_is_found() {
    let (folder, built) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_book(
        folder.path(),
        "# Page\n\n[well](https://example.org/a), [open](http://example.org), [blank](https://example.org/a b), \
         [coded](https://example.org/a%20b), [no host](https:///a)\n",
    );
    build(folder.path(), built.path()).unwrap();
    let (careless, _) = careless_links(built.path());
    // The page is there twice: under its own name, and as the one that a site begins with.
    let of_page: Vec<&String> = careless
        .iter()
        .filter(|careless| careless.starts_with("page.html"))
        .collect();
    assert_eq!(
        of_page,
        [
            "page.html: ](https://example.org/a b",
            "page.html: http://example.org",
            "page.html: https:///a",
            "page.html: https://example.org/a%20b"
        ]
    );
}

#[test]
fn the_guides_are_a_book_whose_links_lead_somewhere() {
    let guides = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let folder = tempfile::tempdir().unwrap();
    build(&guides, folder.path()).unwrap();
    let (dead, followed) = dead_links(folder.path());
    assert!(dead.is_empty(), "{}", dead.join("\n"));
    // Each page links to each other in its table of contents, and guides link to each other.
    assert!(followed > 500, "{followed} links");
    for entry in fs::read_dir(&guides).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(page) = name.strip_suffix(".md").filter(|page| *page != "SUMMARY") else {
            continue;
        };
        let built = folder.path().join(format!("{page}.html"));
        assert!(built.is_file(), "{name} is not in SUMMARY.md");
    }
}

#[test]
fn a_dead_link_or_a_missing_page_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("book.toml", "[book]\nsrc = \".\"\n");
    write(
        "SUMMARY.md",
        "# Summary\n\n- [One](one.md)\n- [Two](two.md)\n",
    );
    write(
        "one.md",
        "# One\n\n[there](two.md#part), [no page](three.md), [no heading](two.md#none)\n",
    );
    write("two.md", "# Two\n\n## Part\n");
    let built = tempfile::tempdir().unwrap();
    build(folder.path(), built.path()).unwrap();
    let (dead, _) = dead_links(built.path());
    // The first page is there twice: under its own name, and as the one that a site begins with.
    let of_page: Vec<&String> = dead
        .iter()
        .filter(|dead| dead.starts_with("one.html"))
        .collect();
    assert_eq!(of_page, ["one.html: three.html", "one.html: two.html#none"]);
    fs::remove_file(folder.path().join("two.md")).unwrap();
    let again = tempfile::tempdir().unwrap();
    assert!(build(folder.path(), again.path()).is_err());
}
