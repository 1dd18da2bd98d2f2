(* Requests and replies: lines of words. Whatever is wrong with a request is a Failure with the reason. *)

let refuse format = Printf.ksprintf failwith format

(* The lines of one request that are still to be read. *)
type request = string list ref

let longest = 65536
let words line = if String.length line > longest then refuse "a line is too long" else String.split_on_char ' ' line

let next (request : request) =
  match !request with
  | [] -> refuse "the request ends too early"
  | line :: rest -> request := rest; (List.hd (words line), List.tl (words line))

(* The values of the next line, which must have this key. *)
let take request key =
  let found, values = next request in
  if found = key then values else refuse "expected a line %s" key

(* What [read] makes of the one value of that line. *)
let one request key read = match take request key with [ value ] -> read value | _ -> refuse "%s takes 1 value" key

(* What [read] makes of the lines with this key, none or more. *)
let rec while_key request key read =
  match !request with
  | line :: _ when List.hd (words line) = key ->
      let item = read (take request key) in
      item :: while_key request key read
  | _ -> []

(* Hands key and values of all lines that are left to [read]; there must be one. *)
let rec each_line request read =
  let key, values = next request in
  read key values;
  if !request <> [] then each_line request read

let finish request = if !request <> [] then refuse "expected the end"

let integer low high word =
  let decimal = word <> "" && String.for_all (fun c -> '0' <= c && c <= '9') word in
  if (not decimal) || String.length word > 10 || (word.[0] = '0' && word <> "0") then refuse "expected an integer";
  let n = int_of_string word in
  if low <= n && n <= high then n else refuse "an integer is not in the range from %d to %d" low high

let double word =
  let hex = String.for_all (function '0' .. '9' | 'a' .. 'f' -> true | _ -> false) word in
  if String.length word <> 16 || not hex then refuse "a double has 16 lower-case hex digits";
  let x = Int64.float_of_bits (Int64.of_string ("0x" ^ word)) in
  if Float.is_nan x then nan else x

let code_point word =
  let point = integer 0 0x10ffff word in
  if Uchar.is_valid point then point else refuse "a surrogate is not a code point"

let choose choices word = try List.assoc word choices with Not_found -> refuse "expected one of a few words"
let math request = one request "math" (choose [ ("exact", Fun.id); ("native", fun () -> refuse "unsupported") ]) ()

(* A tensor's shape, which may be given, and its rows in one array. *)
let tensor ?shape request name =
  match take request "tensor" with
  | [ found; rows; columns ] when found = name ->
      let rows, columns = (integer 1 2048 rows, integer 1 2048 columns) in
      if Option.value shape ~default:(rows, columns) <> (rows, columns) then refuse "%s has the wrong shape" name;
      let row _ =
        let row = Array.of_list (List.map double (take request "row")) in
        if Array.length row = columns then row else refuse "a row of %s is not %d values" name columns in
      ((rows, columns), Array.concat (List.init rows row))
  | _ -> refuse "expected the tensor %s" name

(* The matrices of a model, each with a prefix to its name. *)
let matrices request shape prefix =
  let read (name, rows, columns) = snd (tensor ~shape:(rows, columns) request (prefix ^ name)) in
  Array.concat (List.map read (Model.matrices shape))

let hex x = Printf.sprintf "%016Lx" (Training.bits x)
let ints = List.map string_of_int

let put reply key values =
  Buffer.add_string reply (String.concat " " (key :: values));
  Buffer.add_char reply '\n'

let put_tensor reply name (rows, columns) value =
  put reply "tensor" [ name; string_of_int rows; string_of_int columns ];
  for r = 0 to rows - 1 do put reply "row" (List.init columns (fun c -> hex (value ((r * columns) + c)))) done

let put_matrices reply shape prefix xs =
  let put_matrix start (name, rows, columns) =
    put_tensor reply (prefix ^ name) (rows, columns) (fun i -> xs.(start + i));
    start + (rows * columns) in
  ignore (List.fold_left put_matrix 0 (Model.matrices shape))
