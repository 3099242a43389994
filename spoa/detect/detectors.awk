# Rule files to C: one string a file, for spoa/detect/load.c.
BEGIN {
	print "/* Generated from policies/detectors by spoa/detect/detectors.awk. */"
	print "#include \"detect/engine.h\"\n"
	print "const struct detect_file detect_builtin[] = {"
}
FNR == 1 {
	if (n++)
		end_file()
	name = FILENAME
	printf "\t{ \"%s\",\n", name
	bytes = 0
}
{
	bytes += length($0) + 1
	line = $0
	gsub(/["\\?]/, "\\\\&", line) # "?" too: no trigraphs
	printf "\t\t\"%s\\n\"\n", line
}
END {
	if (n)
		end_file()
	print "};\n"
	printf "const size_t detect_builtin_count = %d;\n", n
}
function end_file() {
	printf "\t\t, %d },\n", bytes
}
