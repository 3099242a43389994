/* References of XML (XML 1.0 4.1, 4.6), for who takes it as a text. */
#ifndef SCAN_MEDIA_XML_H
#define SCAN_MEDIA_XML_H

#include "base/span.h"

/* Of a character or of one of the five entities, what is after its "&": how many bytes, with
 * the
 * ";", and *cp, which may be no character (0, half a pair, over 0x10ffff). 0: it is none. */
size_t xml_reference(struct span s, uint32_t *cp);

#endif
