(* Requests and replies: lines of words. *)

exception Refused of string
exception Unsupported

let refuse format = Printf.ksprintf (fun reason -> raise (Refused reason)) format
let longest = 65536

(* The lines of one request that are still to be read, and the number of the first of them. *)
type request = { mutable rest : string list; mutable number : int }

let words line = if String.length line > longest then refuse "a line is too long" else String.split_on_char ' ' line

(* The key of the next line, or the empty text. *)
let peek request = match request.rest with [] -> "" | line :: _ -> List.hd (words line)

let next request =
  match request.rest with
  | [] -> refuse "line %d: the request ends too early" request.number
  | line :: rest ->
      request.rest <- rest;
      request.number <- request.number + 1;
      (match words line with key :: values -> (key, values) | [] -> assert false)

(* The values of the next line, which must have this key. *)
let take request key =
  let found, values = next request in
  if found <> key then refuse "line %d: expected %s" (request.number - 1) key;
  values

let one request key =
  match take request key with [ value ] -> value | values -> refuse "%s takes 1 value, not %d" key (List.length values)

(* What [read] makes of the lines with this key; there may be none of them. *)
let rec while_key request key read =
  if request.rest <> [] && peek request = key then
    let item = read (take request key) in
    item :: while_key request key read
  else []

let finish request = if request.rest <> [] then refuse "line %d: expected the end" request.number

let integer low high word =
  let digits = String.length word in
  let decimal = String.for_all (function '0' .. '9' -> true | _ -> false) word in
  if digits = 0 || digits > 10 || (not decimal) || (digits > 1 && word.[0] = '0') then refuse "expected an integer";
  let n = int_of_string word in
  if n < low || n > high then refuse "an integer is not in the range from %d to %d" low high;
  n

let double word =
  let hex = String.for_all (function '0' .. '9' | 'a' .. 'f' -> true | _ -> false) word in
  if String.length word <> 16 || not hex then refuse "a double has 16 lower-case hex digits";
  let x = Int64.float_of_bits (Int64.of_string ("0x" ^ word)) in
  if Float.is_nan x then Int64.float_of_bits 0x7ff8000000000000L else x

let doubles values = Array.of_list (List.map double values)
let choose key choices word = match List.assoc_opt word choices with Some x -> x | None -> refuse "unknown %s" key

let code_point word =
  let point = integer 0 0x10ffff word in
  if point land 0x1ff800 = 0xd800 then refuse "a surrogate is not a code point";
  point

let math request =
  match one request "math" with
  | "exact" -> ()
  | "native" -> raise Unsupported
  | _ -> refuse "math is exact or native"

(* A tensor's rows, all in one array. *)
let tensor request name rows columns =
  if take request "tensor" <> [ name; string_of_int rows; string_of_int columns ] then
    refuse "line %d: expected the tensor %s of %d rows and %d columns" (request.number - 1) name rows columns;
  let row _ =
    let row = doubles (take request "row") in
    if Array.length row <> columns then refuse "%s: a row has %d values, not %d" name (Array.length row) columns;
    row
  in
  Array.concat (List.init rows row)

let hex x = Printf.sprintf "%016Lx" (Training.bits x)
let hexes xs = List.map hex (Array.to_list xs)

let put reply key values =
  List.iter (fun word -> Buffer.add_string reply word; Buffer.add_char reply ' ') (key :: values);
  Buffer.truncate reply (Buffer.length reply - 1);
  Buffer.add_char reply '\n'

let put_tensor reply name rows columns value =
  put reply "tensor" [ name; string_of_int rows; string_of_int columns ];
  for r = 0 to rows - 1 do
    put reply "row" (List.init columns (fun c -> hex (value ((r * columns) + c))))
  done

(* All matrices, one after the other, each with a prefix to its name. *)
let put_matrices reply shape prefix xs =
  let put_matrix start (name, rows, columns) =
    put_tensor reply (prefix ^ name) rows columns (fun i -> xs.(start + i));
    start + (rows * columns)
  in
  ignore (List.fold_left put_matrix 0 (Model.matrices shape))
