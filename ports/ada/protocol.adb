with Interfaces;          use Interfaces;
with Interfaces.C_Streams;

package body Protocol is

   Longest : constant := 65_536;
   LF      : Character renames ASCII.LF;

   Request : Unbounded_String;  --  with a line feed before each line and after the last
   Next    : Positive;
   Name    : Unbounded_String;
   Reply   : Unbounded_String;

   procedure Expect (Is_Right : Boolean; What : String) is
   begin
      if not Is_Right then
         raise Bad_Request with "expected " & What;
      end if;
   end Expect;

   procedure Read_Line (Line : out Unbounded_String; Is_There : out Boolean) is
      use Interfaces.C_Streams;
      Byte : int;
   begin
      Line := Null_Unbounded_String;
      loop
         Byte := fgetc (stdin);
         exit when Byte in EOF | Character'Pos (LF);
         Append (Line, Character'Val (Byte));
      end loop;
      Is_There := Byte /= EOF or else Length (Line) > 0;
   end Read_Line;

   procedure Write (Text : Unbounded_String) is
      use Interfaces.C_Streams;
      Unused : int;
   begin
      for I in 1 .. Length (Text) loop
         Unused := fputc (Character'Pos (Element (Text, I)), stdout);
      end loop;
      Unused := fflush (stdout);
   end Write;

   --  A line that is too long, or that nothing ends, becomes an empty one: no verb allows that.
   procedure Read (Is_There : out Boolean) is
      Line : Unbounded_String;
   begin
      Request := Null_Unbounded_String;
      Reply := Null_Unbounded_String;
      Name := To_Unbounded_String ("-");
      Next := 1;
      loop
         Read_Line (Line, Is_There);
         exit when Line = "end";
         if not Is_There and then Length (Request) = 0 then
            return;
         end if;
         Append (Request, LF);
         if Length (Line) <= Longest then
            Append (Request, Line);
         end if;
         exit when not Is_There;
      end loop;
      Append (Request, LF);
      Is_There := True;
   end Read;

   function Id return String
   is (To_String (Name));

   --  What follows the separator, if that comes next, up to another one.
   function Following (Separator : Character) return String is
      Stop : Positive := Next + 1;
   begin
      if Next > Length (Request) or else Element (Request, Next) /= Separator then
         return "";
      end if;
      while Stop <= Length (Request) and then Element (Request, Stop) not in ' ' | LF loop
         Stop := Stop + 1;
      end loop;
      return Slice (Request, Next + 1, Stop - 1);
   end Following;

   function Take_Verb return String is
      Verb : constant String := Following (LF);
   begin
      Next := Next + Verb'Length + 1;
      declare
         Text : constant String := Word;
      begin
         Expect
           (Verb /= "" and then (for all C of Verb => C in '!' .. '~')
            and then Text'Length in 1 .. 64 and then not Has_More
            and then (for all C of Text => C in 'A' .. 'Z' | 'a' .. 'z' | '0' .. '9' | '.' | '_' | '-'),
            "a verb and an id");
         Name := To_Unbounded_String (Text);
      end;
      return Verb;
   end Take_Verb;

   function At_End return Boolean
   is (Next >= Length (Request));

   function Next_Is (Text : String; Separator : Character := ASCII.LF) return Boolean
   is (Following (Separator) = Text);

   function Take_Key return String is
   begin
      Expect (not Has_More, "fewer values");
      Expect (not At_End, "another line");
      return Key : constant String := Following (LF) do
         Next := Next + Key'Length + 1;
      end return;
   end Take_Key;

   procedure Take (Key : String) is
   begin
      Expect (Take_Key = Key, "a line " & Key);
   end Take;

   function Has_More return Boolean
   is (Next <= Length (Request) and then Element (Request, Next) = ' ');

   function Word return String is
   begin
      return Text : constant String := Following (' ') do
         Next := Next + Text'Length + (if Has_More then 1 else 0);
      end return;
   end Word;

   function Number return Double is
      Text : constant String := Word;
   begin
      Expect
        (Text'Length = 16 and then (for all C of Text => C in '0' .. '9' | 'a' .. 'f'),
         "a double of 16 lower-case hex digits");
      return From_Bits (Unsigned_64'Value ("16#" & Text & "#"));
   end Number;

   function Numbers return Doubles is
      List : Double_Vectors.Vector;
   begin
      while Has_More loop
         List.Append (Number);
      end loop;
      return X : Doubles (1 .. List.Last_Index) do
         for I in X'Range loop
            X (I) := List (I);
         end loop;
      end return;
   end Numbers;

   function Whole (Low, High : Long_Long_Integer) return Long_Long_Integer is
      Text : constant String := Word;
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

   function Wholes (Low, High : Integer) return Integers is
      List : Integer_Vectors.Vector;
   begin
      while Has_More loop
         List.Append (Integer (Whole (Long_Long_Integer (Low), Long_Long_Integer (High))));
      end loop;
      return X : Integers (1 .. List.Last_Index) do
         for I in X'Range loop
            X (I) := List (I);
         end loop;
      end return;
   end Wholes;

   function Number (Key : String) return Double is
   begin
      Take (Key);
      return Number;
   end Number;

   function Whole (Key : String; Low, High : Long_Long_Integer) return Integer is
   begin
      Take (Key);
      return Integer (Whole (Low, High));
   end Whole;

   function Choice (Key, First, Second : String) return Boolean is
   begin
      Take (Key);
      declare
         Text : constant String := Word;
      begin
         Expect (Text in First | Second, Key & " " & First & " or " & Second);
         return Text = Second;
      end;
   end Choice;

   procedure Take_Math is
   begin
      if Choice ("math", "exact", "native") then
         raise Bad_Request with "unsupported";
      end if;
   end Take_Math;

   procedure Take_Tensor (Name : String; Rows, Columns : in out Natural; X : in out Double_Vectors.Vector) is

      procedure Take_Size (Size : in out Natural) is
         Known : constant Long_Long_Integer := Long_Long_Integer (Size);
      begin
         Size := Integer (if Size = 0 then Whole (1, 2048) else Whole (Known, Known));
      end Take_Size;
   begin
      Take ("tensor");
      Expect (Word = Name, "the tensor " & Name);
      Take_Size (Rows);
      Take_Size (Columns);
      for Row in 1 .. Rows loop
         Take ("row");
         for Column in 1 .. Columns loop
            X.Append (Number);
         end loop;
      end loop;
   end Take_Tensor;

   procedure Put_Line (Line : String) is
   begin
      Append (Reply, Line & LF);
   end Put_Line;

   function Hex (Pattern : Unsigned_64; Width : Positive) return String is
      Digit : constant String := "0123456789abcdef";
   begin
      return Text : String (1 .. Width) do
         for I in Text'Range loop
            Text (I) := Digit (1 + Integer (Shift_Right (Pattern, 4 * (Width - I)) and 15));
         end loop;
      end return;
   end Hex;

   procedure Put (Key : String; X : Double) is
   begin
      Put (Key, Doubles'[X]);
   end Put;

   procedure Put (Key : String; X : Doubles) is
   begin
      Append (Reply, Key);
      for Each of X loop
         Append (Reply, " " & Hex (Bits (Each), 16));
      end loop;
      Put_Line ("");
   end Put;

   procedure Put (Key : String; X : Integers) is
   begin
      Append (Reply, Key);
      for Each of X loop
         Append (Reply, Each'Image);  --  which begins with a space
      end loop;
      Put_Line ("");
   end Put;

   procedure Put_Tensor
     (Name : String; Rows, Columns : Positive; X : Double_Vectors.Vector; First : Positive := 1) is
   begin
      Put_Line ("tensor " & Name & Rows'Image & Columns'Image);
      for Row in 0 .. Rows - 1 loop
         Put ("row", Doubles'[for I in 1 .. Columns => X (First + Row * Columns + I - 1)]);
      end loop;
   end Put_Tensor;

   procedure Put_Checksum (Key : String; X : Double_Vectors.Vector) is
      Prime : constant := 4_294_967_291;
      A     : Unsigned_64 := 1;
      B     : Unsigned_64 := 0;
   begin
      for Each of X loop
         for Shift in reverse 0 .. 1 loop
            A := (A + (Shift_Right (Bits (Each), 32 * Shift) and 16#ffff_ffff#)) mod Prime;
            B := (B + A) mod Prime;
         end loop;
      end loop;
      Put_Line (Key & " " & Hex (A, 8) & " " & Hex (B, 8));
   end Put_Checksum;

   procedure Send (Head : String) is
   begin
      Put_Line ("end");
      Write (To_Unbounded_String (Head & LF));
      Write (Reply);
   end Send;

   procedure Send_Error (Reason : String) is
   begin
      Reply := Null_Unbounded_String;
      Send ("error " & Id & " " & Reason);
   end Send_Error;

   function Image (I : Long_Long_Integer) return String is
      Text : constant String := I'Image;
   begin
      return (if I < 0 then Text else Text (2 .. Text'Last));
   end Image;

end Protocol;
