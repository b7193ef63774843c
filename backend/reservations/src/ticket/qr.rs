//! A code as a picture: a QR code (ISO/IEC 18004) in SVG.

use std::fmt::Write;

use domain::id::SeatId;
use qrcode::types::QrError;
use qrcode::{Color, EcLevel, QrCode};

/// What the standard asks to be left free around a code, in modules.
const QUIET_MODULES: usize = 4;

/// The picture of a code: black on white whatever is around it, error correction M, with a title for who cannot see it. It has no
/// size of its own.
pub fn svg(code: &str, seats: &[SeatId]) -> Result<String, QrError> {
    let qr = QrCode::with_error_correction_level(code, EcLevel::M)?;
    let side = qr.width() + 2 * QUIET_MODULES;
    let title = title(seats);
    Ok(format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" role="img" aria-labelledby="title" shape-rendering="crispEdges"><title id="title">{title}</title><rect width="{side}" height="{side}" fill="#fff"/><path fill="#000" d="{}"/></svg>"##,
        path(&qr)
    ))
}

/// Ids have no character that XML reads.
fn title(seats: &[SeatId]) -> String {
    let names: Vec<&str> = seats.iter().map(SeatId::as_str).collect();
    format!("Ticket for {} {}", if seats.len() == 1 { "seat" } else { "seats" }, names.join(", "))
}

/// The dark modules, each run in a row as one rectangle.
fn path(qr: &QrCode) -> String {
    let (width, colors) = (qr.width(), qr.to_colors());
    let mut path = String::new();
    for (y, row) in colors.chunks(width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|one, next| one == next) {
            if run[0] == Color::Dark {
                let (left, top, length) = (x + QUIET_MODULES, y + QUIET_MODULES, run.len());
                write!(path, "M{left} {top}h{length}v1h-{length}z").expect("a string takes all");
            }
            x += run.len();
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use domain::ticket::CODE_CHARACTERS_MAX;

    use super::*;
    use crate::ticket::tests::{NEW, keys, ticket};

    /// Pixels to a module, for the reader.
    const SCALE: usize = 4;

    /// What a camera would see, from the picture's own path.
    fn read(svg: &str) -> (String, rqrr::MetaData) {
        let between = |from: &str, to| svg.split_once(from).unwrap().1.split_once(to).unwrap().0;
        let side: usize = between("viewBox=\"0 0 ", " ").parse().unwrap();
        let mut dark = vec![false; side * side];
        for run in between(" d=\"M", "z\"").split("zM") {
            let numbers: Vec<usize> =
                run.split([' ', 'h', 'v', '-']).filter_map(|number| number.parse().ok()).collect();
            let [x, y, length, ..] = numbers[..] else { panic!("{run}") };
            dark[y * side + x..][..length].fill(true);
        }
        let seen = |x, y| if dark[y / SCALE * side + x / SCALE] { 0 } else { 255 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(side * SCALE, side * SCALE, seen);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        let (meta, text) = grids[0].decode().unwrap();
        (text, meta)
    }

    #[test]
    fn a_reader_finds_the_code_in_the_picture() {
        let code = keys(NEW).sign(ticket("show_abcdefghij234567"));
        let (text, meta) = read(&svg(&code, ticket("show_1").seats()).unwrap());
        assert_eq!(text, code);
        assert_eq!((meta.ecc_level, meta.version.0), (0, 9), "M, and no larger than it must be");
    }

    #[test]
    fn every_code_fits() {
        let longest = "A".repeat(CODE_CHARACTERS_MAX);
        assert_eq!(read(&svg(&longest, &[]).unwrap()).0, longest);
    }

    #[test]
    fn the_picture_has_a_title_and_a_quiet_zone() {
        let svg = svg("MQ1", ticket("show_1").seats()).unwrap();
        assert!(svg.contains("<title id=\"title\">Ticket for seats D4, D5</title>"), "{svg}");
        assert!(svg.contains("viewBox=\"0 0 29 29\"") && svg.contains("d=\"M4 4h7v1h-7z"), "{svg}");
    }
}
