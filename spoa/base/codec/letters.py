#!/usr/bin/env python3
"""spoa/base/codec/letters.txt: python3 spoa/base/codec/letters.py >spoa/base/codec/letters.txt

Facts of Unicode 15.0, by Python's unicodedata where it knows them, and what was chosen."""
import unicodedata

# The enums of letters.h.
FOLD = "NONE ASCII DROP BIDI TAG MARK DASH SPACE DOT LIKE".split()
SCRIPT = {"NONE": 0, "GONE": 1, "LATIN": 4, "DIGIT": 8, "LIKE": 16, "SHORT": 32, "BLOCK": 64, "SOLID": 128}
WORD = ["NONE", "BLANK", "LETTER", "ALONE"]

# ---- Latin: drawn with a stroke or two letters in one, which Unicode does not decompose ----
OWN = dict(zip("ÆÐØÞßæðøþĐđĦħıĸŁłŉŊŋŒœŦŧƀƁƉƊƎƏƓƘƙƳƴǝǤǥǾǿẞẟỺỻ",
    "AE D O TH ss ae d o th D d H h i k L l n N n OE oe T t b B D D E E G K k Y y e G g O o SS d LL ll".split()))
OWN |= {"ǅ": "DZ", "ǈ": "LJ", "ǋ": "NJ", "ǲ": "DZ", "ƒ": "f", "ŀ": "l", "Ŀ": "L"}

# ---- what a character may be written for ----
# Look-alikes after UTS #39: letters that common fonts draw as the Latin ones.
LIKE = dict(zip(
    "ıĸſƄǀǃɑɡɩɪɯʀʋʏʙʜʟΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγεικνορσυχϲϳϹϺЅІЈАВЕЗКМНОРСТУХЬабгезикмнопрстухьѕіјѡѴѵҮүһҽӀӏԁԌԚԛԜԝ"
    "ՍՕագզհյոսցքօᎠᎡᎢᎥᎩᎪᎫᎬᎳᎷᎻᏀᏃᏏᏒᏔᏕᏙᏚᏞᏟᏢᏦᏧᏳᏴᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢ⁄∕∣∶ⲂⲞⲢⲤꓐꓑꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴꜱ",
    "iksbl!agiiwruybhlABEZHIKMNOPTYXayeikvopouxcjCMSIJABE3KMHOPCTYXba6re3ukmhonpctyxbsijwVvYyheIldGQqWw"
    "UOwqqhjnugfoDRTiYAJEWMHGZbRWSVSLCPKdGBacdejkmoptuvwz//|:BOPCBPDTGKJCZFMNLSRVHWXYAEIOUs"))
# Circled, squared and regional letters and digits, which NFKC leaves alone, and digits that
# are new in Unicode 15: where a row begins, how many, the first.
ROWS = [(0x24F5, 9, "1"), (0x24FF, 1, "0"), (0x2776, 9, "1"), (0x2780, 9, "1"), (0x278A, 9, "1"),
    (0x11F50, 10, "0"), (0x1E4F0, 10, "0"), (0x1F10B, 1, "0"), (0x1F10C, 1, "0"), (0x1F150, 26, "A"),
    (0x1F170, 26, "A"), (0x1F1E6, 26, "A")]
# Numbers in a circle, in brackets, with a full stop or a comma.
NUMBERS = [(0x2469, 11, 10), (0x2474, 9, 1), (0x2488, 9, 1), (0x24EB, 10, 11), (0x1F100, 1, 0), (0x1F101, 10, 0)]
# Classes (UAX #44: Cf, Pd, Zs, Mn, Default_Ignorable_Code_Point), and dots.
CLASSES = {
    "DROP": "80-9F AD 61C 115F-1160 17B4-17B5 180B-180F 200B-200F 2060-2065 206A-206F 3164 FE00-FE0F FEFF "
        "FFA0 FFF0-FFFB 1BCA0-1BCA3 1D173-1D17A E0000-E001F E007F-E0FFF",
    "BIDI": "202A-202E 2066-2069",
    "TAG": "E0020-E007E",
    "MARK": "300-36F 483-489 1AB0-1AFF 1DC0-1DFF 20D0-20FF FE20-FE2F",
    "DASH": "58A 5BE 2010-2015 2043 2212 2500-2501 2796 2E17 2E1A 2E3A-2E3B 301C 3030 30FC FE31-FE32 FE58 FF70",
    "SPACE": "A0 1680 2000-200A 2028-2029 202F 205F 2800 3000",
    "DOT": "B7 6D4 2022 2024 2027 2219 22C5 3002 30FB FF61 FF65",
}
SIGNS = {"DASH": "-", "SPACE": " ", "DOT": "."}

# ---- capitals that the case folding leaves alone: not of companies' terms ----
NO_FOLD = "181-18E 190-19F 1A6-1AE 1B0-1CC 1F1-1F3 1F6-1F7 220-220 23A-2FF 345-37F 3CF-3FF"

# ---- letters that differ by case alone since Unicode 15.1, 16 and 17 ----
CASES = [(0x390, 0x1FD3), (0x3B0, 0x1FE3), (0xFB05, 0xFB06), (0x19B, 0xA7DC), (0x264, 0xA7CB), (0x1C89, 0x1C8A),
    (0xA7CC, 0xA7CD), (0xA7CE, 0xA7CF), (0xA7D2, 0xA7D3), (0xA7D4, 0xA7D5), (0xA7DA, 0xA7DB),
    *((0x10D50 + i, 0x10D70 + i) for i in range(22)), *((0x16EA0 + i, 0x16EBB + i) for i in range(25))]

# ---- blocks: what a character is to the injection model; the rest separates ----
SCRIPTS = {
    "GONE": "AD 2B0-2FF 300-36F 483-489 591-5C7 610-61A 61C 640 64B-65F 670 6D6-6ED 115F-1160 17B4-17B5 "
        "180B-180F 1AB0-1AFF 1DC0-1DFF 200B-200F 2018-2019 202A-202E 2060-206F 20D0-20FF 2DE0-2DFF 3164 FE00-FE0F "
        "FE20-FE2F FEFF FFA0 FFF9-FFFB E0000-E0FFF",
    "LATIN": "AA 250-2AF 531-587 10A0-10FF 1D00-1DBF 2C60-2C7F A720-A7FF",
    "DIGIT": "660-669 6F0-6F9",
    "LIKE": "370-482 48A-52F 1F00-1FFF A640-A69F",
    "SHORT": "5D0-5F2 620-63F 641-64A 671-6D3 6FA-963 966-DFF 1200-177F 1820-1AAF 1B00-1CFF A000-A63F "
        "A800-ABFF FB1D-FDFF FE70-FEFC",
    "BLOCK": "1100-115E 1161-11FF 3131-3163 3165-318E AC00-D7FB FFA1-FFDC",
    "SOLID": "E01-109F 1780-17B3 17B6-17D3 2E80-2FDF 3005-3007 3041-30FF 3105-312F 3400-9FFF F900-FAFF "
        "FF66-FF9F 20000-3FFFD",
}
# The same to own words and dictionaries; the rest are letters of a word.
WORDS = {
    "NONE": "80-9F A1-A9 AB-B4 B6-B9 BB-BF D7 F7 200B-200F 2016-2027 202A-202E 2030-205E 2060-2070 20A0-20CF "
        "2190-2211 2213-245F 2500-2BFF 3001-3004 3008-3020 E000-F8FF FE10-FE57 FE59-FE62 FE64-FE6F FEFF FF01-FF0C "
        "FF0E-FF0F FF1A-FF20 FF3B-FF40 FF5B-FF65 FFE0-FFFF 1F000-1FAFF E0000-E0FFF",
    "BLANK": "A0 1680 2000-200A 2010-2015 2028-2029 202F 205F 2212 3000 FE58 FE63 FF0D",
    "ALONE": "E01-EFF 1000-109F 1100-11FF 1780-17FF 2E80-2FFF 3005-3007 3021-A4CF A960-A97F AC00-D7FF F900-FAFF "
        "FF66-FF9F 20000-3FFFF",
}


def base(letter):
    if letter in OWN or not unicodedata.category(letter).startswith("L"):
        return OWN.get(letter, ".")
    plain = "".join(c for c in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(c))
    plain = plain.replace("ʾ", "")
    return plain if plain.isascii() else "Q" if letter.isupper() else "q"


def codes(ranges):
    for r in ranges.split():
        first, _, last = r.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


def folds():
    """Of each code point a kind and a character; 128 and more: a number of two digits."""
    out = {ord(c): ("LIKE", ord(like)) for c, like in LIKE.items()}
    out |= {first + i: ("ASCII", 128 + number + i if number + i > 9 else 48 + number + i)
        for first, n, number in NUMBERS for i in range(n)}
    for c in map(chr, range(0x80, 0x110000)):
        plain = unicodedata.normalize("NFKC", c)
        if len(plain) == 1 and " " < plain < "\x7f":
            out[ord(c)] = "ASCII", ord(plain)
        elif unicodedata.category(c) == "Nd":
            out[ord(c)] = "ASCII", 48 + unicodedata.decimal(c)
    out |= {first + i: ("ASCII", ord(c) + i) for first, n, c in ROWS for i in range(n)}
    for kind, ranges in CLASSES.items():
        for c in codes(ranges):
            out[c] = kind, c - 0xE0000 if kind == "TAG" else ord(SIGNS.get(kind, "\0"))
    return out


def fold_rows(folds):
    rows = []
    for c, (kind, to) in sorted(folds.items()):
        step = kind in ("ASCII", "LIKE", "TAG")
        if rows and (first := rows[-1][0]) + (n := rows[-1][1]) == c and rows[-1][2:] == (kind, to - n * step):
            rows[-1] = first, n + 1, kind, to - n * step
        else:
            rows.append((c, 1, kind, to))
    return [f"0x{c:X} {n} {FOLD.index(kind)} {to}" for c, n, kind, to in rows]


def lower_rows():
    """Capitals first..last, `step` apart, become small by adding `delta`."""
    rows, no = [], set(codes(NO_FOLD))
    for c in [*range(0x41, 0x557), *range(0x1E00, 0x1F00)]:
        small = {0x17F: "s", 0x3C2: "σ", 0x1E9E: "ß"}.get(c, chr(c).lower())
        delta = ord(small[0]) - c
        if not delta or c in no:
            continue
        if rows and rows[-1][3] == delta and c - rows[-1][1] <= 2 and \
                rows[-1][2] in (0, c - rows[-1][1]):
            rows[-1] = rows[-1][0], c, c - rows[-1][1], delta
        else:
            rows.append((c, c, 0, delta))
    return [f"0x{a:X} 0x{b:X} {max(step, 1)} {delta}" for a, b, step, delta in rows]


def caseless_rows():
    """Letters from..to, `step` apart, become by `delta` the first of those that differ by case alone:
    simple case folding (CaseFolding.txt, statuses C and S), and upper and lower case themselves."""
    first = {other: c for c, other in CASES}

    def of(c):
        while c in first:
            c = first[c]
        return c

    for c in [*range(0xD800), *range(0xE000, 0x110000)]:
        cases = [chr(c).lower(), chr(c).upper(), chr(c).casefold(), chr(c).title(), "i" if c == 0x130 else ""]
        for other in [of(ord(o)) for o in cases if len(o) == 1]:
            if other != of(c):
                first[max(other, of(c))] = min(other, of(c))
    rows = []
    for c in sorted(first):
        delta = of(c) - c
        if rows and rows[-1][3] == delta and c - rows[-1][1] <= 2 and rows[-1][2] in (0, c - rows[-1][1]):
            rows[-1] = rows[-1][0], c, c - rows[-1][1], delta
        else:
            rows.append((c, c, 0, delta))
    return [f"0x{a:X} 0x{b:X} {max(step, 1)} {delta}" for a, b, step, delta in rows]


def greek(c):
    """Without case, accents and the final sigma."""
    plain = unicodedata.normalize("NFD", chr(c))[0].lower()
    return {0x387: c, 0x3A2: 0x3C2, 0x3C2: 0x3C3}.get(c, ord(plain))


def block_rows():
    script = {c: kind for kind, ranges in SCRIPTS.items() for c in codes(ranges)}
    word = {c: kind for kind, ranges in WORDS.items() for c in codes(ranges)}
    rows, before = [], None
    for c in range(0x80, 0x110000):
        now = SCRIPT[script.get(c, "NONE")], WORD.index(word.get(c, "LETTER"))
        if now != before:
            rows.append(f"0x{c:X} {now[0]} {now[1]}")
        before = now
    return rows + ["0x110000 0 0"]


def table(declaration, rows, comment=None):
    print(*[f"# {comment}"] * (comment is not None), f"table {declaration}", *rows, sep="\n")


def latin(name, first, last):
    text = "".join(base(chr(c)).ljust(2, ".") for c in range(first, last + 1))
    rows = [f'"{text[i:i + 80]}"' for i in range(0, len(text), 80)]
    table(f"static const char {name}[]", rows, f"U+{first:04X} to U+{last:04X}")


print("# Letters beyond ASCII, by Unicode 15.0: the tables of letters.c. Made by letters.py: not by hand.")
latin("latin", 0xC0, 0x24F)
latin("latin_more", 0x1E00, 0x1EFF)
all_folds = folds()
table("static const struct fold_row fold_rows[]", fold_rows(all_folds))
cells = [sum(1 << (c // 16 % 64) for c in set(16 * (f // 16) for f in all_folds) if c // 1024 == i) for i in range(13)]
table("const uint64_t letters_cells[]", [f"0x{c:016X}" for c in cells])
table("static const struct case_row lower_rows[]", lower_rows())
table("static const struct case_row caseless_rows[]", caseless_rows())
table("static const uint8_t greek[]", [f"0x{greek(c) & 0xFF:X}" for c in range(0x386, 0x3CF)],
    "U+0386 to U+03CE, the lower byte")
table("static const struct letters_block blocks[]", block_rows())
