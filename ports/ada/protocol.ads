--  Requests and replies (SPEC, sections 11 and 13).

with Ada.Containers.Indefinite_Vectors;
with Ada.Containers.Vectors;
with Ada.Strings.Unbounded;
with Exact;

package Protocol is

   use Ada.Strings.Unbounded;
   use Exact;

   Bad_Request : exception;  --  its message is the reason

   type Integers is array (Positive range <>) of Integer;

   package Double_Vectors is new Ada.Containers.Vectors (Positive, Double);
   package Integer_Vectors is new Ada.Containers.Vectors (Positive, Integer);
   package Line_Vectors is new Ada.Containers.Indefinite_Vectors (Positive, String);
   package Integer_Lists is new Ada.Containers.Indefinite_Vectors (Positive, Integers);

   --  Input and output are bytes: Ada.Text_IO has its own ideas of lines and pages.
   procedure Read_Line (Line : out Unbounded_String; Is_There : out Boolean);
   procedure Send (Text : Unbounded_String);

   type Request is tagged limited private;

   procedure Read (R : in out Request; Is_There : out Boolean);
   function Is_Complete (R : Request) return Boolean;
   function Verb (R : Request) return String;
   function Id (R : Request) return String;  --  "-" if the first line is wrong

   function At_End (R : Request) return Boolean;
   function Next_Is (R : Request; Key : String) return Boolean;
   procedure Take_Next (R : in out Request);
   procedure Take (R : in out Request; Key : String);
   procedure Finish (R : Request);

   --  Of the line taken last:
   function Key (R : Request) return String;
   function Count (R : Request) return Natural;
   function Is_Line (R : Request; Key : String; Count : Natural) return Boolean;
   function Word (R : Request; Place : Positive) return String;
   function Number (R : Request; Place : Positive) return Double;
   function Numbers (R : Request; From : Positive) return Doubles;
   function Whole (R : Request; Place : Positive; Low, High : Long_Long_Integer) return Long_Long_Integer;
   function Wholes (R : Request; Low, High : Integer) return Integers;

   --  The next line, which must have this key and one value.
   function Take_Number (R : in out Request; Key : String) return Double;
   function Take_Whole (R : in out Request; Key : String; Low, High : Integer) return Integer;
   function Take_Choice (R : in out Request; Key, First, Second : String) return Boolean;  --  whether it is the second
   procedure Take_Math (R : in out Request);

   --  Appends the numbers of a tensor. Rows and columns are read, too, where they are 0.
   procedure Take_Tensor
     (R : in out Request; Name : String; Rows, Columns : in out Natural; X : in out Double_Vectors.Vector);

   type Reply is tagged record
      Text : Unbounded_String;
   end record;

   procedure Put_Line (R : in out Reply; Line : String);
   procedure Put (R : in out Reply; Key : String; X : Double);
   procedure Put (R : in out Reply; Key : String; X : Doubles);
   procedure Put (R : in out Reply; Key : String; X : Integers);
   procedure Put_Tensor
     (R : in out Reply; Name : String; Rows, Columns : Positive; X : Double_Vectors.Vector; First : Positive := 1);
   procedure Put_Checksum (R : in out Reply; Key : String; X : Double_Vectors.Vector);

   function Image (I : Long_Long_Integer) return String;  --  without a space in front

private

   package Start_Vectors is new Ada.Containers.Vectors (Positive, Positive);

   type Request is tagged limited record
      Lines    : Line_Vectors.Vector;
      Next     : Positive := 2;
      Complete : Boolean := False;
      Header   : Boolean := False;
      Verb, Id : Unbounded_String;
      Line     : Unbounded_String;      --  the line taken last,
      Starts   : Start_Vectors.Vector;  --  and where its words begin
   end record;

end Protocol;
