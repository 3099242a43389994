/* Names of logs, of witnesses and of their keys. */
#include "base/codec/note_name.h"

#include "base/utf8.h"

/* Returns true for Unicode's White_Space and for control characters of ASCII. */
static bool
is_space(uint32_t c)
{
	static const uint32_t wide[] = { 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F,
		0x3000 };

	for (size_t i = 0; i < COUNT_OF(wide); i++)
		if (c == wide[i])
			return true;
	return c <= ' ' || c == 0x7F || (c >= 0x2000 && c <= 0x200A);
}

bool
note_name_valid(struct span name)
{
	if (name.n == 0 || name.n > NOTE_NAME_MAX || !utf8_valid(name))
		return false;
	for (size_t i = 0; i < name.n;) {
		size_t len = utf8_sequence(name.p + i, name.n - i);
		uint32_t c = utf8_value(name.p + i, len);
		if (c == '+' || is_space(c))
			return false;
		i += len;
	}
	return true;
}
