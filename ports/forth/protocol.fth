\ Requests and replies: lines of words (SPEC, section 11).

list: text       \ the lines of a request, each with its line feed
list: reply
variable cursor  \ where the next line begins in text
2variable line   \ what is left of this line
variable more?   \ may be an empty word
2variable the-key

: same? ( a n a n -- flag )  compare 0= ;
: at-end? ( -- flag )  cursor @ text list.size @ = ;

: line-size ( a n -- n )  \ up to the first line feed; there is one
  drop dup begin dup c@ 10 <> while 1+ repeat swap - ;

: rest-of-text ( -- a n )  text data cursor @ +  text list.size @ cursor @ - ;

: next-line ( -- )
  at-end? if s" the request ends too early" refuse then
  rest-of-text over swap line-size  dup 1+ cursor +!
  dup 65536 > if s" a line is too long" refuse then
  line 2!  true more? ! ;

: word-size ( a n -- n )  \ up to the first space, or the end
  over >r begin dup if over c@ bl <> else false then while 1- swap 1+ swap repeat drop r> - ;

: next-word ( -- a n )
  more? @ 0= if s" a line has too few words" refuse then
  line 2@ over swap 2dup word-size  ( a a n size )
  2dup > more? !
  >r r@ 1+ /string line 2!  r> ;

: words-left ( -- count )  \ of this line
  more? @ 0= if 0 exit then
  1 line 2@ over + swap ?do i c@ bl = if 1+ then loop ;

: end-line ( -- )  more? @ if s" a line has too many words" refuse then ;
: next-key ( -- )  next-line next-word the-key 2! ;
: key? ( a n -- flag )  the-key 2@ same? ;
: take ( a n -- )  next-key key? 0= if s" a line with another key was expected" refuse then ;

: next-is? ( a n -- flag )  \ does the next line have this key?
  at-end? if 2drop false exit then
  rest-of-text over swap line-size 2dup word-size nip same? ;

: finish ( -- )  at-end? 0= if s" the end was expected" refuse then ;

: digit? ( c -- flag )  [char] 0 [char] 9 between ;
: integer { low high | a n value -- n }
  next-word to n to a  0 to value
  n 1 10 between 0= if s" an integer has 1 to 10 digits" refuse then
  n 0 do
    a i + c@ dup digit? 0= if s" an integer has other characters than digits" refuse then
    [char] 0 - value 10 * + to value
  loop
  n 1 > a c@ [char] 0 = and if s" an integer has a leading zero" refuse then
  value low high between 0= if s" an integer is out of range" refuse then
  value ;

: the-integer ( a n low high -- n )  2swap take integer end-line ;

: hex-digit ( c -- n )
  dup digit? if [char] 0 - exit then
  dup [char] a [char] f between 0= if s" a double has 16 lower-case hex digits" refuse then
  [char] a - 10 + ;

: pattern ( -- u )  \ the double that is the next word; a NaN is quiet
  next-word dup 16 <> if s" a double has 16 digits" refuse then
  over + swap 0 -rot ?do 4 lshift i c@ hex-digit or loop  quiet ;

: x ( f: -- r )  pattern double ;
: the-double ( a n -- ) ( f: -- r )  take x end-line ;

: code-point ( -- n )
  0 1114111 integer  dup 55296 57343 between if s" a surrogate is no code point" refuse then ;

: math ( -- )  \ only exact functions are offered
  s" math" take next-word end-line
  2dup s" exact" same? if 2drop exit then
  s" native" same? if s" unsupported" refuse then  s" math is exact or native" refuse ;

\ Writing: a key begins a line, a word follows a space.

: key, ( a n -- )  reply push-string ;
: word, ( a n -- )  bl reply push-char  reply push-string ;
: decimal-digits ( u -- a n )  0 <# #s #> ;
: integer, ( u -- )  decimal-digits word, ;
: hex-character ( n -- c )  s" 0123456789abcdef" drop + c@ ;
: hex, { u count | a -- }
  bl reply push-char  count reply extend to a
  count 0 do  u count 1- i - 4 * rshift 15 and hex-character  a i + c!  loop ;
: double, ( u -- )  quiet 16 hex, ;
: end, ( -- )  10 reply push-char ;
: integer-line ( u a n -- )  key, integer, end, ;
: double-line ( a n -- ) ( f: r -- )  key, bits double, end, ;

: rows, { a rows columns -- }
  rows 0 do
    s" row" key,  columns 0 do  j columns * i + cells a + @ double,  loop end,
  loop ;

: checksum-line { a n list count | low high -- }  \ SPEC, section 13
  1 to low  0 to high
  count 0 ?do
    i list nth @ quiet
    dup 32 rshift low + 4294967291 mod to low  low high + 4294967291 mod to high
    4294967295 and low + 4294967291 mod to low  low high + 4294967291 mod to high
  loop
  a n key, low 8 hex, high 8 hex, end, ;
