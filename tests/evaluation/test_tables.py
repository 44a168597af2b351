"""Tables as text."""

from napari_superpixels.evaluation.tables import markdown, to_csv


def test_markdown_is_padded_and_rounded():
    text = markdown(["method", "K", "ASA"], [["slic", 300, 0.95], ["a longer one", 7, 1.0]])
    assert text.splitlines() == [
        "| method       | K   | ASA    |",
        "|--------------|-----|--------|",
        "| slic         | 300 | 0.9500 |",
        "| a longer one | 7   | 1.0000 |",
    ]


def test_csv_is_written_in_full():
    assert to_csv(["a", "b"], [[1, 0.123456], ["x, y", 2]]) == 'a,b\n1,0.123456\n"x, y",2\n'
