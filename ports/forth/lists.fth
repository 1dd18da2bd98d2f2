\ Lists that grow: their data, and how many bytes they have and have room for.

begin-structure list
  field: list.data
  field: list.size
  field: list.room
end-structure

: list: ( "name" -- )  create 0 , 0 , 0 , ;
: data ( list -- a )  list.data @ ;
: length ( list -- n )  list.size @ cell / ;
: nth ( i list -- a )  data swap cells + ;
: clear ( list -- )  0 swap list.size ! ;

: replace-data { a list -- }  \ moves what there is to a; pforth's own resize reads beyond the old block
  list data if  list data a list list.size @ move  list data free throw  then
  a list list.data ! ;

: reserve { n list -- }  \ room for n more bytes
  list list.size @ n + list list.room @ > if
    list list.size @ n + 2* 1024 max list list.room !
    list list.room @ allocate throw  list replace-data
  then ;

: extend ( n list -- a )  \ n more bytes, which begin at a
  2dup reserve  dup data over list.size @ +  -rot list.size +! ;
: push ( x list -- )  cell swap extend ! ;
: push-char ( c list -- )  1 swap extend c! ;
: push-string ( a n list -- )  over swap extend swap move ;

: fzeros ( n list -- )  \ makes it a list of n zeros
  dup clear  swap cells dup rot extend  swap erase ;

\ What is wrong with an input is thrown as a number, and told by a sentence.

2variable reason
: refuse ( a n -- )  reason 2! 1 throw ;
