# A list of policies/detectors/*.txt as what C includes: rows of numbers, words, or lists of
# words that have names ("list: words"), ordered by their bytes.
{ sub(/(^|[ \t])#.*/, "") }

NF == 0 { next }

$1 ~ /^[0-9]+$/ {
	gsub(/[ \t]+/, ", ")
	print "{ " $0 " },"
	next
}

{
	named = $1 ~ /:$/
	list = named ? substr($1, 1, length($1) - 1) : ""
	if (named && !(list in count))
		names[++lists] = list
	for (f = 1 + named; f <= NF; f++) {
		if ($f ~ /["\\]/ || (named && $f ~ /[A-Z]/)) {
			print FILENAME ":" FNR ": " $f ": words are in small letters, " \
				"without quotes or backslashes" >"/dev/stderr"
			exit bad = 1
		}
		for (i = count[list]++; i > 0 && word[list, i - 1] "" > $f ""; i--)
			word[list, i] = word[list, i - 1]
		word[list, i] = $f
	}
}

END {
	if (bad)
		exit 1
	for (i = 0; i < count[""]; i++)
		print "\"" word["", i] "\","
	for (k = 1; k <= lists; k++) {
		printf "WORD_LIST(%s", names[k]
		for (i = 0; i < count[names[k]]; i++)
			printf ", \"%s\"", word[names[k], i]
		print ");"
	}
}
