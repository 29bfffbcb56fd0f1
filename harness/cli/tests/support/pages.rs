//! What runs within a page to look at it: axe-core, and the comparison of two pictures. Both are told to the browser by the DevTools
//! protocol, which the page's policy does not stop.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::chromium::{Page, Screen};

/// A page is pictured at a quarter of its size: enough to see a block, its colour and its place, and small to store.
const SCALE: f64 = 0.25;

/// Of 100: six pictures take less than 400 kB, and lose nothing that is seen. PNG takes three times as much.
const QUALITY: u32 = 35;

/// Two pixels are the same to the eye below this share of the largest distance of two colours: pixelmatch's own default.
const SAME: f64 = 0.1;

/// Where cargo lets tests keep what outlives them.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Installs the packages, unless they are there. Where npm is missing the test is skipped, which in CI is a failure.
pub(crate) fn has_packages() -> bool {
    if !crate::support::has("npm", &["npm", "--version"]) {
        return false;
    }
    let installer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/browser-packages.sh");
    let output = Command::new(installer).arg(folder()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    crate::support::is_there_or_skipped(
        &format!("what browser-packages.sh has from npm ({told})"),
        output.status.success(),
    )
}

fn package(file: &str) -> String {
    let path = folder().join("browser-packages/node_modules").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Has axe-core look at all of a page, unfolded: what is seriously wrong for people with disabilities, a line each.
pub(crate) fn barriers(page: &mut Page) -> Vec<String> {
    page.see("document.querySelectorAll('details').forEach(one => { one.open = true; }), 0");
    page.see(&format!("{}; 0", package("axe-core/axe.min.js")));
    let found = page.see("axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(\
        ({ id, impact, nodes }) => ({ id, impact, count: nodes.length, first: nodes[0].html.slice(0, 200) })))");
    let is_serious = |one: &&Value| one["impact"] == "serious" || one["impact"] == "critical";
    let found = found.as_array().unwrap().iter();
    found.filter(is_serious).map(Value::to_string).collect()
}

/// Has a page use these fonts alone, whatever the machine has.
pub(crate) fn pin_fonts(page: &mut Page) {
    let fonts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reports/assets");
    for (file, weight) in [
        ("DejaVuSans.ttf", "400"),
        ("DejaVuSans-Bold.ttf", "600 700"),
    ] {
        let font = BASE64_STANDARD.encode(std::fs::read(fonts.join(file)).unwrap());
        page.see(&format!(
            "(async () => {{ const bytes = Uint8Array.from(atob('{font}'), one => one.charCodeAt(0)); \
             const face = new FontFace('Pinned', bytes, {{ weight: '{weight}' }}); document.fonts.add(await face.load()); return 0; }})()"
        ));
    }
    page.see("document.querySelectorAll('body, pre, code').forEach(one => { one.style.fontFamily = 'Pinned'; }), 0");
    page.wait_until_drawn();
}

/// All of a page as it is shown now, as the bytes of a small picture in WebP.
pub(crate) fn pictured(page: &mut Page, Screen { width, .. }: Screen) -> Vec<u8> {
    let height = page.see("document.documentElement.scrollHeight");
    let answer = page.call(
        "Page.captureScreenshot",
        json!({
            "format": "webp", "quality": QUALITY, "captureBeyondViewport": true,
            "clip": { "x": 0, "y": 0, "width": width, "height": height, "scale": SCALE },
        }),
    );
    let picture = answer["data"].as_str().unwrap();
    BASE64_STANDARD.decode(picture).unwrap()
}

/// Compares pictures, in an empty page.
pub(crate) struct Eye(Page);

impl Eye {
    pub(crate) fn new() -> Self {
        let mut page = Page::new(crate::chromium::LAPTOP);
        let library = package("pixelmatch/index.js");
        page.see(&format!(
            "(() => {{ const module = {{ exports: {{}} }}; {library}; window.pixelmatch = module.exports; return 0; }})()"
        ));
        Self(page)
    }

    /// The share of pixels in which two pictures differ to the eye, by the perceived distance of colours (Y. Kotsarenko and F. Ramos,
    /// "Measuring perceived color difference using YIQ NTSC transmission color space in mobile applications", Programación Matemática y
    /// Software 2, 2010), without what only smoothing makes of an edge. What one picture has beyond the other differs.
    pub(crate) fn distance(&mut self, one: &[u8], other: &[u8]) -> f64 {
        let [one, other] = [one, other].map(|picture| BASE64_STANDARD.encode(picture));
        let share = self.0.see(&format!(
        "(async () => {{
          const images = await Promise.all(['{one}', '{other}'].map(async data => {{
            const image = new Image();
            image.src = 'data:image/webp;base64,' + data;
            await image.decode();
            return image;
          }}));
          const [width, height] = ['width', 'height'].map(side => Math.max(...images.map(image => image[side])));
          const [a, b] = images.map(image => {{
            const context = new OffscreenCanvas(width, height).getContext('2d');
            context.drawImage(image, 0, 0);
            return context.getImageData(0, 0, width, height).data;
          }});
          return pixelmatch(a, b, null, width, height, {{ threshold: {SAME} }}) / (width * height);
        }})()"
    ));
        share.as_f64().unwrap()
    }
}
