"""The page of variants says what the configurations say."""

import variants_page


def without_measurements(page):
    return [line for line in page.splitlines() if not line.startswith("- draws digits")]


def test_page_is_current():
    committed = (variants_page.DOCS / "variants.md").read_text()
    assert without_measurements(variants_page.page({})) == without_measurements(committed), (
        "run python scripts/variants_page.py"
    )


def test_what_the_gallery_found_stands_beside_its_variant():
    page = variants_page.page({"lsgan": "draws digits in 3 of 3 runs"})
    section = page.partition("## lsgan")[2].partition("##")[0]
    assert "- draws digits in 3 of 3 runs" in section
    assert page.count("- draws digits") == 1


def test_every_variant_names_a_paper_or_says_what_it_is():
    for variant in variants_page.variants():
        assert len(variant.paper) > 20, variant.name
