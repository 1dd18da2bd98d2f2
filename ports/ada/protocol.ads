--  Requests and replies (SPEC, sections 11 and 13), one at a time: what is taken comes from the request that was read
--  last, and what is put is put into its reply.

with Ada.Containers.Indefinite_Vectors;
with Ada.Containers.Vectors;
with Ada.Strings.Unbounded; use Ada.Strings.Unbounded;
with Exact;                 use Exact;

package Protocol is

   Bad_Request : exception;  --  its message is the reason

   type Integers is array (Positive range <>) of Integer;

   package Double_Vectors is new Ada.Containers.Vectors (Positive, Double);
   package Integer_Vectors is new Ada.Containers.Vectors (Positive, Integer);
   package Integer_Lists is new Ada.Containers.Indefinite_Vectors (Positive, Integers);

   procedure Expect (Is_Right : Boolean; What : String);

   --  Input and output are bytes: Ada.Text_IO has its own ideas of lines and pages.
   procedure Read_Line (Line : out Unbounded_String; Is_There : out Boolean);
   procedure Write (Text : Unbounded_String);

   procedure Read (Is_There : out Boolean);
   function Id return String;  --  "-" until the verb is taken
   function Take_Verb return String;

   --  A request is read from its start to its end: a key, the values of its line, the next key.
   function At_End return Boolean;
   function Next_Is (Text : String; Separator : Character := ASCII.LF) return Boolean;
   function Take_Key return String;
   procedure Take (Key : String);
   function Has_More return Boolean;  --  values on this line
   function Word return String;
   function Number return Double;
   function Numbers return Doubles;
   function Whole (Low, High : Long_Long_Integer) return Long_Long_Integer;
   function Wholes (Low, High : Integer) return Integers;

   --  Of a line with this key:
   function Number (Key : String) return Double;
   function Whole (Key : String; Low, High : Long_Long_Integer) return Integer;
   function Choice (Key, First, Second : String) return Boolean;  --  whether it is the second
   procedure Take_Math;

   --  Appends the numbers of a tensor. Rows and columns are read, too, where they are 0.
   procedure Take_Tensor (Name : String; Rows, Columns : in out Natural; X : in out Double_Vectors.Vector);

   procedure Put_Line (Line : String);
   procedure Put (Key : String; X : Double);
   procedure Put (Key : String; X : Doubles);
   procedure Put (Key : String; X : Integers);
   procedure Put_Tensor
     (Name : String; Rows, Columns : Positive; X : Double_Vectors.Vector; First : Positive := 1);
   procedure Put_Checksum (Key : String; X : Double_Vectors.Vector);
   procedure Send (Head : String);  --  and what was put, and the end
   procedure Send_Error (Reason : String);

   function Image (I : Long_Long_Integer) return String;  --  without a space in front

end Protocol;
