# classes.txt as the tables of split.c: of each 128 characters which block they are, each block once,
# two classes a byte, the lower character in the lower half.
function number_of(hex,    i, n) {
	for (i = 1; i <= length(hex); i++)
		n = n * 16 + index("0123456789ABCDEF", substr(hex, i, 1)) - 1
	return n
}
function print_row(head, list, n,    i) {
	printf "%s = {\n", head
	for (i = 0; i < n; i++)
		printf "%s%s", list[i], (i % 32 == 31 || i == n - 1 ? ",\n" : ", ")
	print "};"
}
BEGIN { n_names = split("SPACE NEWLINE UPPER LOWER CASELESS MARK NUMBER", names) }
/^#/ { next }
{
	for (k = 1; names[k] != $1; k++) # the members of enum split_class
		if (k == n_names) {
			print FILENAME ":" FNR ": " $1 " is no class" >"/dev/stderr"
			exit bad = 1
		}
	for (f = 2; f <= NF; f++) {
		split($f "-" $f, range, "-")
		last = number_of(range[2])
		for (c = number_of(range[1]); c <= last; c++)
			class[c] = k
		if (last >= end)
			end = last + 128 - last % 128
	}
}
END {
	if (bad)
		exit 1
	for (c = 0; c < 256; c++)
		bits[c] = c < 128 ? 2 ^ class[c] : 0
	for (c = 0; c < end; c += 128) {
		key = ""
		for (i = 0; i < 64; i++)
			key = key (pair[i] = class[c + 2 * i] + 16 * class[c + 2 * i + 1]) " "
		if (!(key in known)) {
			known[key] = blocks++
			for (i = 0; i < 64; i++)
				pairs[packed++] = pair[i]
		}
		block[count++] = known[key]
	}
	printf "/* Of ASCII the bit of the class; of other bytes 0. */\n"
	print_row("static const uint8_t ascii_bits[256]", bits, 256)
	printf "enum { CLASSES_END = %d };\n", end
	print_row("static const uint8_t class_index[]", block, count)
	print_row("static const uint8_t class_pairs[]", pairs, packed)
	exit blocks > 256 # too many for a byte
}
