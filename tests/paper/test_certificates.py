import io
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pypdf
import pytest
from PIL import Image

from paper import certificates
from paper.certificates import Sheet, UnprintableError
from paper.press import Press

SHEET = Sheet(
    holder="Ada Lovelace",
    programme="Fire Safety for Wardens",
    issuer="Northwind Training",
    issued_on=date(2026, 11, 26),
    valid_through=date(2027, 11, 25),
    number="0199a2b4-7c1e-7d00-9a55-2c1f6f0e8d11",
    address="https://evalium.example.org/certificates/" + "Ab1_" * 10 + "xyz",
)
FONTS = Path("/usr/share/fonts/truetype/dejavu")
LITERAL = [
    '#panic("x")',
    "*a* $x$ \\ // @b _c_ `d` <e> [f] #let",
    '-- ... --- 1/2 "q" it\'s',
    "Женя Ёлкина",
    "Γιώργος Παπαδόπουλος",
    "Nguyễn Thị Hồng Ánh",
    "Łukasz Żółć",
    "Geoffrey Affleck-Fisch",
]


def reader(data: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(data))


def text(sheet: Sheet) -> str:
    (page,) = reader(certificates.pdf(sheet)).pages
    return page.extract_text()


def test_the_pdf_says_what_the_sheet_says_and_is_tagged_with_title_and_language():
    found = reader(certificates.pdf(SHEET))
    (page,) = found.pages
    said = page.extract_text()
    for part in (SHEET.holder, SHEET.programme, SHEET.issuer, "26 November 2026", "25 November 2027", SHEET.number):
        assert part in said
    assert SHEET.address in said
    root = found.trailer["/Root"]
    assert root["/Lang"] == "en-GB"
    assert root["/MarkInfo"]["/Marked"]
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert root["/StructTreeRoot"]["/K"]
    assert found.metadata.title == "Certificate: Fire Safety for Wardens"
    assert b"pdfuaid:part" in root["/Metadata"].get_data()
    assert page.mediabox.width > page.mediabox.height
    (links,) = {one["/A"]["/URI"] for one in (note.get_object() for note in page["/Annots"])}
    assert links == SHEET.address


def test_one_without_an_end_says_that_it_does_not_expire():
    assert "Does not expire" in text(replace(SHEET, valid_through=None))


@pytest.mark.parametrize("words", LITERAL)
def test_whatever_somebody_is_called_comes_out_literally(words):
    assert words in text(replace(SHEET, holder=words, programme=words))
    assert words in text(replace(SHEET, issuer=words))


@pytest.mark.parametrize("letter", ["x", "W", "\u0436"])
def test_two_hundred_letters_without_a_space_stay_on_one_page(letter):
    long = letter * 200
    said = text(replace(SHEET, holder=long, programme=long, issuer=long))
    assert said.replace("\n", "").count(long) == 3


@pytest.mark.parametrize("words", ["\u05e9\u05dc\u05d5\u05dd \u05db\u05d4\u05df", "\u0645\u062d\u0645\u062f"])
def test_names_from_right_to_left_are_printed(words):
    assert set(words) - {" "} <= set(text(replace(SHEET, holder=words)))


@pytest.mark.parametrize("words", ["王小明", "김철수", "👩 Ann"])
def test_what_no_font_shows_is_refused_in_both_forms_and_never_printed_as_boxes(words):
    for form in (certificates.pdf, certificates.png):
        with pytest.raises(UnprintableError) as refusal:
            form(replace(SHEET, holder=words))
        assert refusal.value.text in words


def test_the_same_sheet_gives_the_same_bytes_in_another_process():
    told = (
        "import sys, hashlib; from tests.paper.test_certificates import SHEET; from paper import certificates;"
        "print(hashlib.sha256(certificates.pdf(SHEET) + certificates.png(SHEET)).hexdigest())"
    )
    runs = {
        subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", told],
            capture_output=True,
            check=True,
            cwd=Path(__file__).parents[2],
            env={"PYTHONPATH": ":".join(sys.path), "TZ": zone},
        ).stdout
        for zone in ("UTC", "Pacific/Auckland")
    }
    assert len(runs) == 1


def test_the_fingerprint_differs_with_whatever_is_printed():
    sheets = [SHEET, replace(SHEET, holder="B"), replace(SHEET, valid_through=None), replace(SHEET, badge=b"x")]
    assert len({certificates.fingerprint(one, "png") for one in sheets} | {certificates.fingerprint(SHEET, "pdf")}) == 5


def test_a_badge_is_drawn():
    made = io.BytesIO()
    Image.new("RGBA", (400, 400), (200, 10, 10, 255)).save(made, "PNG")
    with_badge = certificates.png(replace(SHEET, badge=made.getvalue()))
    colours = Image.open(io.BytesIO(with_badge)).convert("RGB").getcolors(1_000_000)
    assert max(count for count, colour in colours if colour == (200, 10, 10)) > 10_000


async def test_the_picture_carries_the_credential_where_readers_of_open_badges_look_for_it():
    press = Press(at_once=1)
    plain, baked = await press.png(SHEET), await press.png(SHEET, "eyJh.bmFt.ZcO8")
    shown = Image.open(io.BytesIO(baked))
    shown.load()
    assert shown.text == {"openbadgecredential": "eyJh.bmFt.ZcO8"}
    assert Image.open(io.BytesIO(plain)).tobytes() == shown.tobytes()
    assert (await press.pdf(SHEET)).startswith(b"%PDF-")


def test_the_code_leads_to_the_address():
    assert certificates.code("https://a.example/1") != certificates.code("https://a.example/2")
    assert certificates.code("https://a.example/1").startswith("<svg")


def test_one_that_is_over_says_so_and_gives_other_bytes():
    over = replace(SHEET, is_over=True)
    assert "EXPIRED" in text(over)
    assert "EXPIRED" not in text(SHEET)
    assert certificates.fingerprint(over) != certificates.fingerprint(SHEET)


@pytest.mark.skipif(not FONTS.is_dir(), reason="this machine has no DejaVu")
def test_a_folder_of_fonts_makes_further_scripts_printable():
    theirs = replace(SHEET, holder="\u140a\u14c4\u1483")
    with pytest.raises(UnprintableError):
        certificates.pdf(theirs)
    (page,) = reader(certificates.pdf(theirs, FONTS)).pages
    assert theirs.holder in page.extract_text()
