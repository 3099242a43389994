/* References of XML (XML 1.0 4.1, 4.6), for code that treats XML as a text. */
#ifndef SCAN_MEDIA_XML_H
#define SCAN_MEDIA_XML_H

#include "base/span.h"

/* Decodes a character reference or one of the five predefined entities. `s` begins behind the
 * "&". Returns the number of bytes including the ";", or 0 if `s` is no reference. *cp can be
 * an invalid character: 0, a surrogate, or above 0x10ffff. */
size_t xml_reference(struct span s, uint32_t *cp);

#endif
