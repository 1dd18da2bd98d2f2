with Ada.Characters.Latin_1;
with GNAT.OS_Lib;
with Interfaces;

package body Protocol is

   use Interfaces;

   Longest : constant := 65_536;
   LF      : Character renames Ada.Characters.Latin_1.LF;
   Digit   : constant String := "0123456789abcdef";

   Buffer       : String (1 .. 65_536);
   First, Limit : Natural := 0;  --  what was read but not yet taken is Buffer (First + 1 .. Limit)

   procedure Read_Line (Line : out Unbounded_String; Is_There : out Boolean) is
      use GNAT.OS_Lib;
   begin
      Line := Null_Unbounded_String;
      Is_There := False;
      loop
         if First = Limit then
            First := 0;
            Limit := Read (Standin, Buffer'Address, Buffer'Length);
            exit when Limit = 0;
         end if;
         Is_There := True;
         for I in First + 1 .. Limit loop
            if Buffer (I) = LF then
               Append (Line, Buffer (First + 1 .. I - 1));
               First := I;
               return;
            end if;
         end loop;
         Append (Line, Buffer (First + 1 .. Limit));
         First := Limit;
      end loop;
   end Read_Line;

   procedure Send (Text : Unbounded_String) is
      use GNAT.OS_Lib;
      Piece   : constant := 32_768;
      From    : Positive := 1;
      Written : Integer;
   begin
      while From <= Length (Text) loop
         declare
            Part : constant String := Slice (Text, From, Integer'Min (From + Piece - 1, Length (Text)));
         begin
            Written := Write (Standout, Part'Address, Part'Length);
            exit when Written <= 0;
            From := From + Written;
         end;
      end loop;
   end Send;

   --  One that nothing allows becomes an empty line: nothing allows that, either.
   procedure Read (R : in out Request; Is_There : out Boolean) is
      Line  : Unbounded_String;
      Ended : Boolean;

      function Is_Plain return Boolean
      is (for all I in 1 .. Length (Line) => Element (Line, I) in ' ' .. '~');

      function Is_Id (Name : String) return Boolean
      is (Name'Length in 1 .. 64
          and then (for all C of Name => C in 'A' .. 'Z' | 'a' .. 'z' | '0' .. '9' | '.' | '_' | '-'));
   begin
      loop
         Read_Line (Line, Ended);
         Ended := not Ended;
         exit when Ended or else Line = "end";
         R.Lines.Append (if Length (Line) <= Longest and then Is_Plain then To_String (Line) else "");
      end loop;
      R.Complete := not Ended;
      Is_There := R.Complete or else not R.Lines.Is_Empty;
      if not R.Lines.Is_Empty then
         R.Next := 1;
         R.Take_Next;
         R.Header := R.Count = 1 and then R.Key /= "" and then Is_Id (R.Word (1));
      end if;
      if R.Header then
         R.Verb := To_Unbounded_String (R.Key);
         R.Id := To_Unbounded_String (R.Word (1));
      end if;
   end Read;

   function Is_Complete (R : Request) return Boolean
   is (R.Complete);

   function Verb (R : Request) return String
   is (To_String (R.Verb));

   function Id (R : Request) return String
   is (if R.Header then To_String (R.Id) else "-");

   function At_End (R : Request) return Boolean
   is (R.Next > R.Lines.Last_Index);

   function Next_Is (R : Request; Key : String) return Boolean is
   begin
      if R.At_End then
         return False;
      end if;
      declare
         Line : String renames R.Lines (R.Next);
      begin
         return Line = Key
           or else (Line'Length > Key'Length and then Line (Line'First .. Line'First + Key'Length) = Key & ' ');
      end;
   end Next_Is;

   procedure Take_Next (R : in out Request) is
   begin
      if R.At_End then
         raise Bad_Request with "expected another line, but the request ends";
      end if;
      R.Line := To_Unbounded_String (R.Lines (R.Next));
      R.Next := R.Next + 1;
      R.Starts.Clear;
      R.Starts.Append (1);
      for I in 1 .. Length (R.Line) loop
         if Element (R.Line, I) = ' ' then
            R.Starts.Append (I + 1);
         end if;
      end loop;
      R.Starts.Append (Length (R.Line) + 2);
   end Take_Next;

   procedure Take (R : in out Request; Key : String) is
   begin
      if not R.Next_Is (Key) then
         raise Bad_Request with "expected a line " & Key;
      end if;
      R.Take_Next;
   end Take;

   procedure Finish (R : Request) is
   begin
      if not R.At_End then
         raise Bad_Request with "expected end, but there are more lines";
      end if;
   end Finish;

   function Key (R : Request) return String
   is (Slice (R.Line, 1, R.Starts (2) - 2));

   function Count (R : Request) return Natural
   is (Natural (R.Starts.Length) - 2);

   function Is_Line (R : Request; Key : String; Count : Natural) return Boolean
   is (R.Count = Count and then R.Key = Key);

   function Word (R : Request; Place : Positive) return String is
   begin
      if Place > R.Count then
         raise Bad_Request with "expected another value";
      end if;
      return Slice (R.Line, R.Starts (Place + 1), R.Starts (Place + 2) - 2);
   end Word;

   function Number (R : Request; Place : Positive) return Double is
      Text    : constant String := R.Word (Place);
      Pattern : Unsigned_64 := 0;
   begin
      if Text'Length /= 16 or else not (for all C of Text => C in '0' .. '9' | 'a' .. 'f') then
         raise Bad_Request with "a double has 16 lower-case hex digits";
      end if;
      for C of Text loop
         Pattern := 16 * Pattern
           + (if C in '0' .. '9' then Character'Pos (C) - Character'Pos ('0')
              else Character'Pos (C) - Character'Pos ('a') + 10);
      end loop;
      return From_Bits (Pattern);
   end Number;

   function Numbers (R : Request; From : Positive) return Doubles is
   begin
      return X : Doubles (1 .. R.Count - From + 1) do
         for I in X'Range loop
            X (I) := R.Number (I + From - 1);
         end loop;
      end return;
   end Numbers;

   function Whole (R : Request; Place : Positive; Low, High : Long_Long_Integer) return Long_Long_Integer is
      Text : constant String := R.Word (Place);
   begin
      if Text'Length not in 1 .. 10
        or else not (for all C of Text => C in '0' .. '9')
        or else (Text (Text'First) = '0' and then Text'Length > 1)
        or else Long_Long_Integer'Value (Text) not in Low .. High
      then
         raise Bad_Request with "expected an integer from" & Low'Image & " to" & High'Image;
      end if;
      return Long_Long_Integer'Value (Text);
   end Whole;

   function Wholes (R : Request; Low, High : Integer) return Integers is
   begin
      return X : Integers (1 .. R.Count) do
         for I in X'Range loop
            X (I) := Integer (R.Whole (I, Long_Long_Integer (Low), Long_Long_Integer (High)));
         end loop;
      end return;
   end Wholes;

   procedure Take_One (R : in out Request; Key : String) is
   begin
      R.Take (Key);
      if R.Count /= 1 then
         raise Bad_Request with Key & " takes one value";
      end if;
   end Take_One;

   function Take_Number (R : in out Request; Key : String) return Double is
   begin
      Take_One (R, Key);
      return R.Number (1);
   end Take_Number;

   function Take_Whole (R : in out Request; Key : String; Low, High : Integer) return Integer is
   begin
      Take_One (R, Key);
      return Integer (R.Whole (1, Long_Long_Integer (Low), Long_Long_Integer (High)));
   end Take_Whole;

   function Take_Choice (R : in out Request; Key, First, Second : String) return Boolean is
   begin
      Take_One (R, Key);
      if R.Word (1) not in First | Second then
         raise Bad_Request with "expected " & Key & " " & First & " or " & Second;
      end if;
      return R.Word (1) = Second;
   end Take_Choice;

   procedure Take_Math (R : in out Request) is
   begin
      if R.Take_Choice ("math", "exact", "native") then
         raise Bad_Request with "unsupported";
      end if;
   end Take_Math;

   procedure Take_Tensor
     (R : in out Request; Name : String; Rows, Columns : in out Natural; X : in out Double_Vectors.Vector)
   is
      procedure Check (Size : in out Natural; Place : Positive) is
         Found : constant Positive := Integer (R.Whole (Place, 1, 2048));
      begin
         if Size not in 0 | Found then
            raise Bad_Request with "the tensor " & Name & " has the wrong shape";
         end if;
         Size := Found;
      end Check;
   begin
      R.Take ("tensor " & Name);
      if R.Count /= 3 then
         raise Bad_Request with "a tensor has a name, rows and columns";
      end if;
      Check (Rows, 2);
      Check (Columns, 3);
      for Row in 1 .. Rows loop
         R.Take ("row");
         if R.Count /= Columns then
            raise Bad_Request with "a row of " & Name & " has" & Columns'Image & " values";
         end if;
         for I in 1 .. Columns loop
            X.Append (R.Number (I));
         end loop;
      end loop;
   end Take_Tensor;

   procedure Put_Line (R : in out Reply; Line : String) is
   begin
      Append (R.Text, Line);
      Append (R.Text, LF);
   end Put_Line;

   function Hex (Pattern : Unsigned_64; Width : Positive) return String is
   begin
      return Text : String (1 .. Width) do
         for I in Text'Range loop
            Text (I) := Digit (1 + Integer (Shift_Right (Pattern, 4 * (Width - I)) and 15));
         end loop;
      end return;
   end Hex;

   procedure Put (R : in out Reply; Key : String; X : Double) is
   begin
      R.Put_Line (Key & " " & Hex (Bits (X), 16));
   end Put;

   procedure Put (R : in out Reply; Key : String; X : Doubles) is
   begin
      Append (R.Text, Key);
      for Each of X loop
         Append (R.Text, " " & Hex (Bits (Each), 16));
      end loop;
      Append (R.Text, LF);
   end Put;

   function Image (I : Long_Long_Integer) return String is
      Text : constant String := I'Image;
   begin
      return (if I < 0 then Text else Text (2 .. Text'Last));
   end Image;

   procedure Put (R : in out Reply; Key : String; X : Integers) is
   begin
      Append (R.Text, Key);
      for Each of X loop
         Append (R.Text, Each'Image);  --  which begins with a space
      end loop;
      Append (R.Text, LF);
   end Put;

   procedure Put_Tensor
     (R : in out Reply; Name : String; Rows, Columns : Positive; X : Double_Vectors.Vector; First : Positive := 1)
   is
      Place : Positive := First;
   begin
      R.Put_Line ("tensor " & Name & Rows'Image & Columns'Image);
      for Row in 1 .. Rows loop
         Append (R.Text, "row");
         for Column in 1 .. Columns loop
            Append (R.Text, " " & Hex (Bits (X (Place)), 16));
            Place := Place + 1;
         end loop;
         Append (R.Text, LF);
      end loop;
   end Put_Tensor;

   procedure Put_Checksum (R : in out Reply; Key : String; X : Double_Vectors.Vector) is
      Prime : constant := 4_294_967_291;
      A     : Unsigned_64 := 1;
      B     : Unsigned_64 := 0;

      procedure Add (Word : Unsigned_64) is
      begin
         A := (A + Word) mod Prime;
         B := (B + A) mod Prime;
      end Add;
   begin
      for Each of X loop
         Add (Shift_Right (Bits (Each), 32));
         Add (Bits (Each) and 16#ffff_ffff#);
      end loop;
      R.Put_Line (Key & " " & Hex (A, 8) & " " & Hex (B, 8));
   end Put_Checksum;

end Protocol;
