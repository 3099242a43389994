/* Functions at their limits: positions, empty strings, overflow and unusual input, and the text
 * forms of times, numbers and addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/cel_rows.h"

static const struct cel_activation nothing;

/* clang-format off */
static void
string_functions_have_their_results(void **state)
{
	(void)state;
	static const struct cel_row rows[] = {
		{ "replacing nothing puts it between all characters", "'aé'.replace('', '-')", "\"-a-é-\"" },
		{ "replacing nothing in nothing", "''.replace('', 'x')", "\"x\"" },
		{ "replacing at most once", "'aaa'.replace('a', 'b', 1)", "\"baa\"" },
		{ "replacing at most never", "'aaa'.replace('a', 'b', 0)", "\"aaa\"" },
		{ "replacing without bound", "'aaa'.replace('a', '', -1)", "\"\"" },
		{ "replacing beside the end", "'xab'.replace('ab', 'y')", "\"xy\"" },
		{ "splitting at nothing gives characters", "'aé1'.split('')", "[\"a\",\"é\",\"1\"]" },
		{ "splitting nothing at nothing", "''.split('')", "[]" },
		{ "splitting nothing", "''.split(',')", "[\"\"]" },
		{ "splitting keeps empty parts", "',a,,'.split(',')", "[\"\",\"a\",\"\",\"\"]" },
		{ "splitting in at most two", "'a,b,c'.split(',', 2)", "[\"a\",\"b,c\"]" },
		{ "splitting characters in at most two", "'abc'.split('', 2)", "[\"a\",\"bc\"]" },
		{ "joining what is no string", "['a', 1].join()", "error: join() is not defined for int" },
		{ "position at the end", "'é'.indexOf('', 1)", "1" },
		{ "position behind the end", "'é'.indexOf('', 2)", "error: position out of range" },
		{ "last position of a longer string", "'a'.lastIndexOf('aa')", "-1" },
		{ "last position from the beginning", "'aba'.lastIndexOf('a', 0)", "0" },
		{ "trimming all of it", "' \\u2003 '.trim()", "\"\"" },
		{ "trimming nothing", "''.trim()", "\"\"" },
		{ "base64 with one byte left", "base64.encode(b'a') + base64.encode(b'ab') + base64.encode(b'')", "\"YQ==YWI=\"" },
		{ "base64 of a wrong length", "base64.decode('YWJjZ')", "error: base64.decode(): not base64" },
		{ "base64 with padding inside", "base64.decode('YQ==YQ==')", "error: base64.decode(): not base64" },
		{ "base64 with too much padding", "base64.decode('YQ===')", "error: base64.decode(): not base64" },
		{ "nothing in base64", "base64.decode('')", "\"\"" },
		{ "only padding", "base64.decode('==')", "error: base64.decode(): not base64" },
		{ "smallest int in hexadecimal", "'%x %b'.format([-9223372036854775808, -5])", "\"-8000000000000000 -101\"" },
		{ "a clause cut off", "'%'.format([1])", "error: format(): % is the last character" },
		{ "a precision cut off", "'%.3'.format([1.0])", "error: format(): % is the last character" },
		{ "a huge precision", "'%.1000000000000f'.format([1.0])", "error: format(): the precision is over 100" },
		{ "the longest double", "size('%.100f'.format([-1.7976931348623157e308]))", "411" },
		{ "bytes that are no text", "'%s'.format([b'\\xff'])", "error: format(): the bytes are not UTF-8" },
		{ "a list inside a map", "'%s'.format([{2: [1, {}], 1: null}])", "\"{1: null, 2: [1, {}]}\"" },
	};
	ROWS(rows, NULL, &nothing, CEL_DYN);
}

static void
number_functions_have_their_results(void **state)
{
	(void)state;
	static const struct cel_row rows[] = {
		{ "text of doubles", "[string(0.1), string(1e21), string(1e-7), string(-0.0), string(123456789.0), string(5e-324)]",
		  "[\"0.1\",\"1e+21\",\"1e-07\",\"-0\",\"123456789\",\"5e-324\"]" },
		{ "NaN and infinities as text", "[string(0.0/0.0), string(-1.0/0.0), string(double('-inf')), string(double('NaN'))]",
		  "[\"NaN\",\"-Infinity\",\"-Infinity\",\"NaN\"]" },
		{ "a double with space around", "double(' 1')", "error: double(): the string is not a number" },
		{ "a hexadecimal double", "double('0x10')", "error: double(): the string is not a number" },
		{ "an empty double", "double('')", "error: double(): the string is not a number" },
		{ "a double out of range", "double('1e999')", "error: double(): the string is not a number" },
		{ "an int with space", "int(' 1')", "error: int(): the string is not a 64-bit integer" },
		{ "an int without digits", "int('-')", "error: int(): the string is not a 64-bit integer" },
		{ "an int over 64 bits", "int('9223372036854775808')", "error: int(): the string is not a 64-bit integer" },
		{ "NaN is no int", "int(0.0/0.0)", "error: int(): out of range" },
		{ "NaN is no uint", "uint(0.0/0.0)", "error: uint(): out of range" },
		{ "a uint from below zero", "uint(-1.0)", "error: uint(): out of range" },
		{ "the greatest of NaN and a number", "math.greatest(1.0, 0.0/0.0)", "1.0" },
		{ "the greatest of nothing", "math.greatest([])", "error: math.greatest() and math.least() need a number" },
		{ "the greatest of a string", "math.greatest('a')", "error: math.greatest() is not defined for string" },
		{ "shifting by 63 and 64", "[math.bitShiftLeft(1, 63), math.bitShiftLeft(1, 64)]", "[-9223372036854775808,0]" },
		{ "a square root", "[math.sqrt(16), math.sqrt(2.25), math.sqrt(9u)]", "[4.0,1.5,3.0]" },
		{ "NaN equals nothing", "cel.bind(n, 0.0/0.0, n == n || n < 1.0 || n >= 1.0)", "false" },
		{ "ints, uints and doubles as keys", "{1: 'a'}[1u] + {1u: 'b'}[1.0] + {2: 'c'}[dyn(2.0)]", "\"abc\"" },
		{ "true is no 1 as a key", "{1: 'a'}[true]", "error: no such key" },
		{ "a negative int and a uint", "[dyn(-1) < 0u, dyn(-1) == 18446744073709551615u]", "[true,false]" },
	};
	ROWS(rows, NULL, &nothing, CEL_DYN);
}

static void
time_functions_have_their_results(void **state)
{
	(void)state;
	static const struct cel_row rows[] = {
		{ "a duration in all units", "string(duration('1h1m1s1ms1us1ns'))", "\"3661.001001001s\"" },
		{ "a duration of micros with either letter", "duration('1\u00b5s') == duration('1\u03bcs')", "true" },
		{ "a duration of zero", "[string(duration('0')), string(duration('-0s'))]", "[\"0s\",\"0s\"]" },
		{ "a fraction alone", "string(duration('.5h'))", "\"1800s\"" },
		{ "a duration without a unit", "duration('5')", "error: duration(): not a duration such as 1h30m or 1.5s, or out of range" },
		{ "a duration with a point alone", "duration('.s')", "error: duration(): not a duration such as 1h30m or 1.5s, or out of range" },
		{ "a duration of digits without end", "duration('99999999999999999999999s')", "error: duration(): not a duration such as 1h30m or 1.5s, or out of range" },
		{ "the longest durations", "[duration('9223372036854775807ns'), duration('-9223372036854775808ns')]", "[\"9223372036.854775807s\",\"-9223372036.854775808s\"]" },
		{ "one more", "duration('9223372036854775808ns')", "error: duration(): not a duration such as 1h30m or 1.5s, or out of range" },
		{ "an empty duration", "duration('')", "error: duration(): not a duration such as 1h30m or 1.5s, or out of range" },
		{ "February 29 of no leap year", "timestamp('2023-02-29T00:00:00Z')", "error: timestamp(): not an RFC 3339 time in the years 1 to 9999" },
		{ "month 13", "timestamp('2023-13-01T00:00:00Z')", "error: timestamp(): not an RFC 3339 time in the years 1 to 9999" },
		{ "second 60", "timestamp('2016-12-31T23:59:60Z')", "error: timestamp(): not an RFC 3339 time in the years 1 to 9999" },
		{ "no zone", "timestamp('2023-01-01T00:00:00')", "error: timestamp(): not an RFC 3339 time in the years 1 to 9999" },
		{ "something behind it", "timestamp('2023-01-01T00:00:00Z ')", "error: timestamp(): not an RFC 3339 time in the years 1 to 9999" },
		{ "twelve digits of a second", "timestamp('2023-01-01T00:00:00.123456789012Z')", "\"2023-01-01T00:00:00.123456789Z\"" },
		{ "the first and the last moment", "[timestamp('0001-01-01T00:00:00Z'), timestamp('9999-12-31T23:59:59.999999999Z')]", "[\"0001-01-01T00:00:00Z\",\"9999-12-31T23:59:59.999999999Z\"]" },
		{ "an offset that leaves the years", "timestamp('0001-01-01T00:00:00+01:00')", "error: timestamp(): not an RFC 3339 time in the years 1 to 9999" },
		{ "a time before 1970 with a fraction", "timestamp('1969-12-31T23:59:59.25Z').getMilliseconds()", "250" },
		{ "half hours, and a zone without summer", "timestamp('2025-07-01T00:00:00Z').getMinutes('Asia/Kolkata') + timestamp('2025-07-01T00:00:00Z').getHours('UTC')", "30" },
		{ "a zone with its sign reversed", "timestamp('2025-07-01T12:00:00Z').getHours('Etc/GMT+5')", "7" },
		{ "years of other zones", "timestamp('2024-12-31T23:30:00Z').getFullYear('Asia/Tokyo')", "2025" },
		{ "offsets out of range", "timestamp(0).getHours('+25:00')", "error: no such time zone (names are like Europe/Berlin or +02:00; Debian's package is tzdata)" },
		{ "a folder is no zone", "timestamp(0).getHours('Europe')", "error: no such time zone (names are like Europe/Berlin or +02:00; Debian's package is tzdata)" },
		{ "another file is no zone", "timestamp(0).getHours('zone1970.tab')", "error: no such time zone (names are like Europe/Berlin or +02:00; Debian's package is tzdata)" },
	};
	ROWS(rows, NULL, &nothing, CEL_DYN);
}

static void
address_functions_have_their_results(void **state)
{
	(void)state;
	static const struct cel_row rows[] = {
		{ "the longest run of zeros is short", "string(ip('1:0:0:2:0:0:0:3'))", "\"1:0:0:2::3\"" },
		{ "the first of two equal runs", "string(ip('1:0:0:2:3:0:0:4'))", "\"1::2:3:0:0:4\"" },
		{ "a single zero stays", "string(ip('1:0:2:3:4:5:6:7'))", "\"1:0:2:3:4:5:6:7\"" },
		{ "zeros at either end", "[string(ip('::1:0')), string(ip('1::')), string(ip('::'))]", "[\"::1:0\",\"1::\",\"::\"]" },
		{ "what IPv4 may not look like", "[isIP('01.2.3.4'), isIP('1.2.3'), isIP('1.2.3.256'), isIP(''), isIP(' 1.2.3.4')]", "[false,false,false,false,false]" },
		{ "what networks may not look like", "[isCIDR('10.0.0.0/33'), isCIDR('10.0.0.0/08'), isCIDR('10.0.0.0'), isCIDR('::/129'), isCIDR('::ffff:a00:0/24')]", "[false,false,false,false,false]" },
		{ "prefixes within a byte", "[cidr('10.0.0.128/25').containsIP('10.0.0.127'), cidr('10.0.0.128/25').containsIP('10.0.0.129'), cidr('0.0.0.0/0').containsIP('1.2.3.4')]", "[false,true,true]" },
		{ "a whole address as network", "cidr('::1/128').containsIP('::1') && !cidr('::1/128').containsIP('::2')", "true" },
		{ "masks within a byte", "string(cidr('10.0.0.255/27').masked())", "\"10.0.0.224/27\"" },
		{ "mask of everything", "string(cidr('ff::1/0').masked())", "\"::/0\"" },
		{ "addresses as JSON", "[ip('10.0.0.1'), cidr('fe80::/10')]", "[\"10.0.0.1\",\"fe80::/10\"]" },
		{ "addresses have no order", "ip('10.0.0.1') < ip('10.0.0.2')", "error: < is not defined for net.IP and net.IP" },
	};
	ROWS(rows, NULL, &nothing, CEL_DYN);
}

static void
globs_and_patterns_match(void **state)
{
	(void)state;
	static const struct cel_row rows[] = {
		{ "a star is any run, also of nothing", "['gpt-5'.glob('gpt*'), 'gpt'.glob('gpt*'), 'xgpt'.glob('gpt*'), 'a/b/c'.glob('a*c')]", "[true,true,false,true]" },
		{ "several stars", "['abcbd'.glob('a*b?'), 'aab'.glob('*a*a*b*'), 'ab'.glob('*a*a*')]", "[true,true,false]" },
		{ "one character, not one byte", "['é'.glob('?'), 'éa'.glob('?'), ''.glob('?')]", "[true,false,false]" },
		{ "a set", "['b'.glob('[a-c]'), 'd'.glob('[a-c]'), 'd'.glob('[!a-c]'), ']'.glob('[]]'), '-'.glob('[a-]'), 'é'.glob('[à-ü]')]", "[true,false,true,true,true,true]" },
		{ "a set without an end is text", "['[a'.glob('[a'), 'a'.glob('[a')]", "[true,false]" },
		{ "an escape", "['*'.glob(r'\\*'), 'x'.glob(r'\\*'), ']'.glob(r'[\\]]')]", "[true,false,true]" },
		{ "an empty pattern", "[''.glob(''), 'a'.glob('')]", "[true,false]" },
		{ "only stars", "[''.glob('**'), 'abc'.glob('***')]", "[true,true]" },
	};
	ROWS(rows, NULL, &nothing, CEL_DYN);
}

static void
versions_are_ordered_by_semver(void **state)
{
	(void)state;
	static const struct cel_row rows[] = {
		{ "the order of semver.org, section 11", "['1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta', '1.0.0-beta.2', '1.0.0-beta.11', '1.0.0-rc.1', '1.0.0', '2.0.0', '2.1.0', '2.1.1'].transformList(i, v, i < 10, semver.compare(v, ['1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta', '1.0.0-beta.2', '1.0.0-beta.11', '1.0.0-rc.1', '1.0.0', '2.0.0', '2.1.0', '2.1.1'][i])).all(x, x == -1)", "true" },
		{ "what follows a plus has no order", "semver.compare('1.0.0+a', '1.0.0+b')", "0" },
		{ "what is no version", "[semver.valid('1.2'), semver.valid('01.2.3'), semver.valid('1.2.3-01'), semver.valid('1.2.3-'), semver.valid('v1.2.3'), semver.valid('1.2.3+'), semver.valid('99999999999999999999.0.0'), semver.valid('')]", "[false,false,false,false,false,false,false,false]" },
		{ "what is one", "[semver.valid('1.2.3-x-y.7+001.a'), semver.valid('0.0.0')]", "[true,true]" },
		{ "caret", "[semver.matches('1.9.0', '^1.2.3'), semver.matches('2.0.0', '^1.2.3'), semver.matches('0.2.9', '^0.2.1'), semver.matches('0.3.0', '^0.2.1'), semver.matches('0.0.4', '^0.0.3'), semver.matches('0.9.0', '^0')]", "[true,false,true,false,false,true]" },
		{ "tilde", "[semver.matches('1.2.9', '~1.2.3'), semver.matches('1.3.0', '~1.2.3'), semver.matches('1.9.0', '~1')]", "[true,false,true]" },
		{ "partial versions", "[semver.matches('1.2.9', '1.2'), semver.matches('1.3.0', '1.2.x'), semver.matches('7.0.0', '*'), semver.matches('1.2.9', '>1.2'), semver.matches('1.2.9', '<=1.2'), semver.matches('1.2.0', '<1.2')]", "[true,false,true,false,true,false]" },
		{ "a space is and, two bars are or", "[semver.matches('1.5.0', '>=1.2 <2'), semver.matches('2.5.0', '>=1.2 <2 || 2.5.x'), semver.matches('2.0.0', '> 1 < 2')]", "[true,true,false]" },
		{ "a pre-release only where its version is named", "[semver.matches('2.0.0-rc.1', '>=1.0.0'), semver.matches('2.0.0-rc.2', '>=2.0.0-rc.1'), semver.matches('2.1.0-rc.2', '>=2.0.0-rc.1')]", "[false,true,false]" },
		{ "what is no range", "semver.matches('1.0.0', '>=')", "error: semver.matches(): not a range of versions" },
		{ "an empty range", "semver.matches('1.0.0', '1 ||')", "error: semver.matches(): not a range of versions" },
		{ "comparing what is no version", "semver.compare('1.0', '1.0.0')", "error: semver.compare(): not a version" },
	};
	ROWS(rows, NULL, &nothing, CEL_DYN);
}
/* clang-format on */

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(string_functions_have_their_results),
		cmocka_unit_test(number_functions_have_their_results),
		cmocka_unit_test(time_functions_have_their_results),
		cmocka_unit_test(address_functions_have_their_results),
		cmocka_unit_test(globs_and_patterns_match),
		cmocka_unit_test(versions_are_ordered_by_semver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
