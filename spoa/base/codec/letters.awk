# letters.txt as what letters.c includes: "table" opens one with its declaration, rows of more than one
# number go into braces, texts are one text.
/^#/ { next }

$1 == "table" {
	if (open++)
		print "};"
	print substr($0, 7) " = {"
	next
}

/^"/ {
	print
	next
}

NF > 1 {
	gsub(/ /, ", ")
	$0 = "{ " $0 " }"
}

{ print $0 "," }

END { print "};" }
