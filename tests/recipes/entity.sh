build/tests/unit/test_detect
echo 'badge BDG-204811' | build/tollgate classify | grep BADGE_NUMBER
