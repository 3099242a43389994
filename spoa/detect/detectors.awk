# Rule files to C: one string a file, for spoa/detect/load.c; with -v array=names_files
# the word lists, for names_words.c.
BEGIN {
	if (array == "")
		array = "detect_builtin"
	print "/* Generated from policies/detectors by spoa/detect/detectors.awk. */"
	print "#include \"detect/rule.h\"\n"
	printf "const struct detect_file %s[] = {\n", array
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
	printf "const size_t %s_count = %d;\n", array, n
}
function end_file() {
	printf "\t\t, %d },\n", bytes
}
