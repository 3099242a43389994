/* The number of invisible characters that no spelling needs. Text that is hidden from a reader but
 * not from a model is written with them: tags, variation selectors, bits of zero width. */
#ifndef SCAN_TEXT_INVISIBLE_H
#define SCAN_TEXT_INVISIBLE_H

#include "base/span.h"

/* Returns the number of invisible characters in t from offset `from` on. Characters that spelling
 * needs do not count: joiners, spaces of zero width and marks of direction in scripts that use them
 * (Arabic, Hebrew, Indic scripts, Tibetan, Thai, Lao, Burmese, Khmer, Mongolian). Variation
 * selectors after Han and symbols, the joiners and tags of emoji, soft hyphens in words, and a byte
 * order mark at the beginning do not count either. */
size_t invisible_count(struct span t, size_t from);

#endif
