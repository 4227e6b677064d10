"""The page of variants says what the configurations say."""

import variants_page


def without_measurements(page):
    return [line for line in page.splitlines() if not line.startswith(("- FID", "FID", "No FID"))]


def test_page_is_current():
    committed = (variants_page.DOCS / "variants.md").read_text()
    made = variants_page.page({}, "No FID")
    assert without_measurements(made) == without_measurements(committed), "run python scripts/variants_page.py"


def test_measured_fid_stands_beside_its_variant():
    page = variants_page.page({"lsgan": 12.34}, "FID is measured.")
    section = page.partition("## lsgan")[2].partition("##")[0]
    assert "- FID 12.34" in section
    assert page.count("- FID") == 1


def test_every_variant_names_a_paper_or_says_what_it_is():
    for variant in variants_page.variants():
        assert len(variant.paper) > 20, variant.name
