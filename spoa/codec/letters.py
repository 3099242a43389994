#!/usr/bin/env python3
"""spoa/codec/letters.c: python3 spoa/codec/letters.py >spoa/codec/letters.c"""
import unicodedata

# Drawn with a stroke or two letters in one, which Unicode does not decompose.
OWN = dict(zip("ÆÐØÞßæðøþĐđĦħıĸŁłŉŊŋŒœŦŧƀƁƉƊƎƏƓƘƙƳƴǝǤǥǾǿẞẟỺỻ",
    "AE D O TH ss ae d o th D d H h i k L l n N n OE oe T t b B D D E E G K k Y y e G g O o SS d LL ll".split()))
OWN |= {"ǅ": "DZ", "ǈ": "LJ", "ǋ": "NJ", "ǲ": "DZ", "ƒ": "f", "ŀ": "l", "Ŀ": "L"}


def base(letter):
    if letter in OWN or not unicodedata.category(letter).startswith("L"):
        return OWN.get(letter, ".")
    plain = "".join(c for c in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(c))
    plain = plain.replace("ʾ", "")
    return plain if plain.isascii() else "Q" if letter.isupper() else "q"


def table(name, first, last):
    text = "".join(base(chr(c)).ljust(2, ".") for c in range(first, last + 1))
    print(f"static const char {name}[] = /* U+{first:04X} to U+{last:04X} */")
    print("\n".join(f'\t"{text[i:i + 80]}"' for i in range(0, len(text), 80)) + ";")


print("""/* Made by spoa/codec/letters.py. */
#include "codec/letters.h"

#include <stddef.h>

/* clang-format off */""")
table("latin", 0xC0, 0x24F)
table("latin_more", 0x1E00, 0x1EFF)
print("""/* clang-format on */

const char *
letters_latin(uint32_t cp)
{
	if (cp >= 0xC0 && cp < 0x250)
		return latin + 2 * (cp - 0xC0);
	return cp >= 0x1E00 && cp < 0x1F00 ? latin_more + 2 * (cp - 0x1E00) : NULL;
}""")
